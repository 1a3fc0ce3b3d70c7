// How the report's page looks: one sheet, light and dark, nothing from outside.

enum ReportStyle {
    static let css = """
        :root { color-scheme: light dark;
          --paper: #fff; --text: #1b1f24; --soft: #59636e; --line: #d1d9e0; --panel: #f6f8fa;
          --drain: #9ecae9; --restart: #e69f00; --ready: #f0e442; --warm: #a8ddb5; --watch: #cfd8dc; --rollback: #cc79a7; --held: #d98b8b;
          --ink: #101418; --hatch: rgba(0,0,0,.35); --good: #0b6e4f; --bad: #b3261e; --warn: #8a5a00; --curve: #0072b2; --out: rgba(120,130,140,.22); }
        @media (prefers-color-scheme: dark) { :root {
          --paper: #0f1318; --text: #e6edf3; --soft: #9aa7b4; --line: #333c46; --panel: #171d24;
          --drain: #3f7fae; --restart: #c98500; --ready: #a89d1f; --warm: #3f8f5f; --watch: #55616b; --rollback: #a5568a; --held: #a14a4a;
          --ink: #fff; --halo: rgba(0,0,0,.8); --hatch: rgba(0,0,0,.45); --good: #56d3a0; --bad: #ff8a80; --warn: #ffc857; --curve: #6cb6ff; --out: rgba(150,160,170,.22); } }
        * { box-sizing: border-box; }
        body { margin: 0 auto; padding: 1.5rem; max-width: 70rem; background: var(--paper); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
        h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
        code, pre, td, .label { font-family: ui-monospace, "DejaVu Sans Mono", monospace; }
        .verdict { border: 2px solid currentColor; border-radius: 6px; padding: .6rem 1rem; margin: 1rem 0; font-weight: 600; overflow-wrap: anywhere; }
        .verdict.good { color: var(--good); } .verdict.bad { color: var(--bad); } .verdict.warn { color: var(--warn); }
        dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0; } dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
        .scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 13px; }
        th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; } thead th { color: var(--soft); font-weight: 600; }
        tbody th { font-weight: 600; white-space: nowrap; } .story td:nth-child(3), .story td:nth-child(4) { white-space: nowrap; } .story td:last-child { overflow-wrap: anywhere; }
        pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem; overflow-x: auto; font-size: 13px; }
        summary { cursor: pointer; } .hidden { position: absolute; }
        .picture { display: block; width: 100%; min-width: 44rem; height: auto; font-size: 12px; }
        .picture text { fill: var(--text); } .picture .tick, .picture .small { fill: var(--soft); font-size: 11px; } .tick { text-anchor: middle; } .name, .small { text-anchor: end; }
        .grid { stroke: var(--line); stroke-dasharray: 2 3; } .row { stroke: var(--line); } .bar { stroke: var(--ink); stroke-width: .6; }
        .bar.failed { stroke: var(--bad); stroke-width: 2.5; } svg text.label { fill: var(--ink); font-size: 11px; font-weight: 600; text-anchor: middle; paint-order: stroke; stroke: var(--halo, transparent); stroke-width: 2px; }
        .hatch { stroke: var(--hatch); stroke-width: 1.2; } .dot { fill: var(--hatch); } .out { fill: var(--out); } .curve { fill: none; stroke: var(--curve); stroke-width: 1.6; }
        .drain { fill: var(--drain); } .restart { fill: var(--restart); } .ready { fill: var(--ready); } .warm { fill: var(--warm); }
        .watch { fill: var(--watch); } .rollback { fill: var(--rollback); } .held { fill: var(--held); }
        .legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; margin: .5rem 0 0; font-size: 13px; } .legend svg { vertical-align: -3px; }
        footer { margin-top: 2.5rem; color: var(--soft); font-size: 13px; }
        @media print { body { max-width: none; padding: 0; } details > * { display: block; } }
        """
}
