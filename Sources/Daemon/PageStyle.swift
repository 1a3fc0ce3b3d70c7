// How the status page looks: one sheet, light and dark, wide and narrow. Its colours are told apart by contrast of 4.5 and more.

enum PageStyle {
    static let css = """
        :root { color-scheme: light dark;
          --paper: #f7f8f9; --panel: #ffffff; --ink: #1a1e22; --soft: #59626c; --line: #e1e5e9; --accent: #0b5cad; --area: #0b5cad1f;
          --good: #14693f; --warn: #855300; --bad: #b3261e; --badly: #fdecea; --warnly: #fff4dd; }
        @media (prefers-color-scheme: dark) { :root {
          --paper: #0f1215; --panel: #161a1e; --ink: #e6e9ec; --soft: #9ba6b1; --line: #2a3036; --accent: #75b3ff; --area: #75b3ff26;
          --good: #5fd198; --warn: #f0bc55; --bad: #ff8d83; --badly: #34191a; --warnly: #30260f; } }
        * { box-sizing: border-box; margin: 0; padding: 0; }
        body { background: var(--paper); color: var(--ink); font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
          font-variant-numeric: tabular-nums; max-width: 84rem; margin: 0 auto; padding: 1rem 1.25rem 2rem; overflow-wrap: anywhere; }
        a { color: var(--accent); text-underline-offset: .15em; text-decoration-thickness: 1px; } h2 a { color: inherit; text-decoration: none; } h2 a:hover { text-decoration: underline; }
        :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 2px; }
        .skip { position: absolute; left: -999rem; } .skip:focus { left: 1rem; top: .5rem; background: var(--panel); padding: .3rem .6rem; }
        .soft { color: var(--soft); } .bad { color: var(--bad); } .warn { color: var(--warn); } .good { color: var(--good); }
        svg.m { width: .72em; height: .72em; margin-right: .38em; fill: currentColor; stroke: currentColor; vertical-align: -.02em; flex: none; }
        .state { white-space: nowrap; } .defs { position: absolute; width: 0; height: 0; }
        header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .35rem 1.25rem; padding-bottom: .8rem; }
        h1 { font-size: 1.15rem; font-weight: 650; letter-spacing: -.01em; } h1 a { color: inherit; text-decoration: none; }
        h2 { font-size: 1rem; font-weight: 650; } aside h2 { font-size: .95rem; margin-bottom: .4rem; }
        .facts { display: flex; flex-wrap: wrap; min-width: 0; gap: .1rem 1.1rem; color: var(--soft); } .facts b { color: var(--ink); font-weight: 600; }
        meter, .meter { width: 7rem; height: .5rem; vertical-align: .05rem; margin-left: .5rem; } .meter rect { fill: var(--line); } .meter .used { fill: var(--accent); }
        .notices { list-style: none; margin-bottom: .9rem; display: flex; flex-wrap: wrap; gap: .35rem; } .notices li { padding: .35rem .75rem; border-radius: 6px; border: 1px solid var(--line); background: var(--panel); color: var(--ink); min-width: 0; }
        .notices li.warn { background: var(--warnly); border-color: var(--warnly); color: var(--warn); } .notices li.bad { background: var(--badly); border-color: var(--badly); color: var(--bad); } .notices li.good { color: var(--good); } .notices a { color: inherit; }
        #alive { position: sticky; top: 0; z-index: 1; background: var(--bad); color: var(--panel); padding: .45rem .75rem; border-radius: 0 0 6px 6px; font-weight: 600; }
        .columns { display: grid; grid-template-columns: minmax(0, 1fr) 21rem; gap: 1rem; align-items: start; } .columns > * { min-width: 0; display: grid; gap: 1rem; }
        section { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: .75rem .9rem; min-width: 0; }
        .title { display: flex; flex-wrap: wrap; align-items: baseline; gap: .1rem .8rem; }
        .figures { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: .5rem 1.25rem; margin: .5rem 0 .35rem; }
        .figure dt { color: var(--soft); font-size: 12px; } .figure dd { display: grid; grid-template-columns: auto minmax(0, 1fr); align-items: baseline; gap: .1rem .6rem; }
        .figure b { font-size: 1.15rem; font-weight: 600; line-height: 1.2; white-space: nowrap; } .figure dd .soft { font-size: 11px; text-align: right; white-space: nowrap; }
        .graph { grid-column: 1 / -1; display: block; width: 100%; height: 28px; border-bottom: 1px solid var(--line); } .line { fill: none; stroke: var(--accent); stroke-width: 1.5; vector-effect: non-scaling-stroke; stroke-linejoin: round; } .area { fill: var(--area); }
        .fail .line { stroke: var(--bad); } .fail .area { fill: var(--badly); }
        table { border-collapse: collapse; width: 100%; } caption { text-align: left; color: var(--soft); padding: .3rem 0; }
        th { font-weight: 600; text-align: left; } thead th { color: var(--soft); font-size: 12px; font-weight: 500; } th, td { padding: .28rem .9rem .28rem 0; border-top: 1px solid var(--line); vertical-align: baseline; } thead th { border-top: 0; }
        .n { text-align: right; white-space: nowrap; } td:last-child, th:last-child { padding-right: 0; } tbody th .soft, .sub { font-weight: 400; font-size: 12px; }
        .listeners tbody th { min-width: 8.5rem; } .sub { display: block; }
        .why td { border-top: 0; padding: 0 0 .35rem 1.1rem; font-size: 13px; }
        .pools td, .pools th { white-space: normal; }
        .rollout { margin: .55rem 0 .3rem; padding: .55rem .75rem; border-left: 3px solid var(--accent); background: var(--paper); border-radius: 0 6px 6px 0; }
        .rollout code, section code { font: 12px/1.4 ui-monospace, "DejaVu Sans Mono", monospace; }
        .steps { list-style: none; margin-top: .4rem; } .steps li { display: grid; grid-template-columns: minmax(4rem, 8rem) 7.5rem minmax(0, 1fr) 7.5rem; gap: 0 .7rem; align-items: center; padding: .12rem 0; } .steps b { font-weight: 600; }
        .span { display: block; width: 100%; height: 14px; background: linear-gradient(var(--line), var(--line)) no-repeat 0 50% / 100% 1px; } .span line { stroke: var(--ink); stroke-width: 1; } .span .past { fill: var(--good); } .span .now { fill: var(--accent); } .span .wrong { fill: var(--bad); } .span .next { fill: var(--paper); stroke: var(--soft); stroke-dasharray: 3 2; }
        .axis { display: flex; justify-content: space-between; font-size: 12px; padding: 0 8.2rem 0 16.9rem; }
        .events { list-style: none; } .events li { padding: .3rem 0; border-top: 1px solid var(--line); font-size: 13px; line-height: 1.35; } .events li:first-child { border-top: 0; } .events time { color: var(--soft); margin-right: .5em; } .events b { font-weight: 600; }
        footer { margin-top: 1.2rem; color: var(--soft); font-size: 12px; display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
        @media (max-width: 62rem) { .columns { grid-template-columns: minmax(0, 1fr); } }
        @media (max-width: 44rem) { body { padding: .75rem .75rem 1.5rem; } .figures { grid-template-columns: repeat(2, minmax(0, 1fr)); }
          .rows thead { position: absolute; left: -999rem; } .rows tr { display: flex; flex-wrap: wrap; gap: 0 .8rem; padding: .4rem 0 0; border-top: 1px solid var(--line); } .rows tr:last-child { padding-bottom: .2rem; } .rows .why { border: 0; padding: 0 0 .3rem; } .rows .why td { flex: 1 1 100%; }
          .rows th, .rows td { border: 0; padding: 0; } .rows tbody th { flex: 1 1 calc(100% - 8.5rem); min-width: 0; } .backends td:nth-child(2) { order: 1; font-size: 13px; } .backends td:nth-child(3) { flex: 0 0 7.5rem; text-align: right; } .backends .n { order: 2; } .pools td:nth-child(2) { flex: 1 1 100%; text-align: left; }
          .rows .n { color: var(--soft); font-size: 13px; }
          .backends td:nth-child(4)::after { content: " conns"; } .backends td:nth-child(5)::after { content: " connects/s"; } .backends td:nth-child(6)::after { content: "/s"; } .backends td:nth-child(7)::after { content: " failed/s"; }
          .pools td:nth-child(3)::after { content: " conns"; } .pools td:nth-child(4)::after { content: " connects/s"; } .pools td:nth-child(5)::after { content: " failed/s"; }
          .steps li { grid-template-columns: minmax(0, 1fr) auto auto; } .steps .span { grid-column: 1 / -1; grid-row: 2; } .axis { padding: 0; } }
        @media print { body { max-width: none; } #alive, .skip { display: none; } }
        """
}
