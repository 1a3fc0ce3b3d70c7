"""What the figures should be, and how they are shown: as a table for people and as JSON."""
from measure import DIRECT, PEERS, quartiles
from proxies import OTHER, SPLICE

# lbd over a peer, at most (issue 3, 'Figures to reach').
OVER_PEER = {
    "short-server": {"haproxy": 0.88, "nginx": 0.88},
    "short-client": {"haproxy": 0.88, "nginx": 0.88},
    "pingpong-64": {"haproxy": 0.90, "nginx": 0.93},
    "pingpong-1": {"haproxy": 0.88, "nginx": 1.03},
    "bulk-up": {"haproxy": 0.40, "nginx": 0.42},
    "bulk-down": {"haproxy": 0.40, "nginx": 0.42},
    "bulk-up-checked": {"haproxy": 0.40, "nginx": 0.42},
    "bulk-down-checked": {"haproxy": 0.40, "nginx": 0.42},
    "memory": {"haproxy": 0.22, "nginx": 0.08},
}
ADDED_P99 = {"haproxy": 0.95, "nginx": 1.00}  # of pingpong-64: with the proxy less without, lbd over a peer
WITHIN = {  # a value over another one of the same proxy, and what it is at most for lbd
    "curve-backends": ("1000", "1", 1.05),
    "curve-idle": ("8000", "0", 1.03),
    "curve-connections": ("256", "1", None),
}
ABSOLUTE = {  # of lbd: the value, its words, at most
    "start": ("lbd, 1000", "lbd with 1,000 backends, ms", 25),
    "memory-backend": ("lbd", "lbd, B", 2500),
    "control-status-p99": ("lbd", "lbd, ms", 15),
    "control-status-cpu": ("lbd", "lbd, ms", 4),
    "control-status-text-cpu": ("lbd", "lbd, ms", 4),
    "control-change-p99": ("lbd", "lbd, ms", 3),
    "control-traffic": ("lbd", "lbd, times", 1.1),
}


def figure(what, values, target):
    low, middle, high = quartiles(values)
    reached = None if target is None else middle <= target
    return {"what": what, "median": middle, "quartiles": [low, high], "target": target, "reached": reached}


def ratios(above, below):
    return [a / b for a, b in zip(above, below) if b > 0]


def added_p99(result):
    """How much later the slowest hundredth comes through lbd, over how much later through a peer."""
    without = result.more[DIRECT]["p99"]
    added = lambda name: [a - b for a, b in zip(result.more[name]["p99"], without)]
    for peer in PEERS:
        values = ratios(added("lbd"), added(peer))
        if values:
            yield figure(f"added p99, lbd over {peer}", values, ADDED_P99[peer])


def figures(name, result):
    """All that a target could be set for."""
    found = []
    for peer in (OTHER, *PEERS, SPLICE):
        if "lbd" in result.values and peer in result.values:
            values = ratios(result.values["lbd"], result.values[peer])
            found.append(figure(f"lbd over {peer}", values, OVER_PEER.get(name, {}).get(peer)))
    if name == "pingpong-64":
        found += added_p99(result)
    if name in WITHIN:
        above, below, target = WITHIN[name]
        for proxy in ("lbd", *PEERS):
            values = ratios(result.values[f"{proxy}, {above}"], result.values[f"{proxy}, {below}"])
            found.append(figure(f"{proxy}: {above} over {below}", values, target if proxy == "lbd" else None))
    if name in ABSOLUTE:
        which, words, target = ABSOLUTE[name]
        found.append(figure(words, result.values[which], target))
    return found


def short(value):
    """Three digits that count, and a third behind the point where ratios and their targets lie."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}" if abs(value) < 2 else f"{value:.2f}"


def columns(name, more):
    """What else is known of a proxy, in a few words."""
    middle = {what: quartiles(values)[1] for what, values in more.items()}
    shown = []
    if "busy" in middle:
        shown.append(f"core {middle['busy'] * 100:3.0f} % busy")
    if "p50" in middle:
        shown.append("latency p50 {:>7} p99 {:>7} p99.9 {:>7} us".format(*(short(middle[p]) for p in ("p50", "p99", "p999"))))
    elif "rate" in middle:
        shown.append(f"{middle['rate'] / 1e9:.2f} GB/s")
    return "  ".join(shown + [f"{what} {short(value)}" for what, value in middle.items() if what not in KNOWN])


KNOWN = ("busy", "p50", "p99", "p999", "rate")


def table(name, result):
    lines = [f"{name}: {result.title}"]
    for proxy in result.proxies():
        values = result.values.get(proxy)
        middle = f"{short(quartiles(values)[1]):>8} {result.unit}" if values else " " * (9 + len(result.unit))
        lines.append(f"  {proxy:<15}{middle}  {columns(name, result.more.get(proxy, {}))}".rstrip())
    for f in figures(name, result):
        spread = f"{short(f['median']):>6}  ({short(f['quartiles'][0])} to {short(f['quartiles'][1])})"
        verdict = "" if f["target"] is None else f"at most {short(f['target'])}: {'reached' if f['reached'] else 'NOT REACHED'}"
        lines.append(f"    {f['what']:<32}{spread:<26}{verdict}".rstrip())
    return "\n".join(lines) + "\n"


def document(name, result):
    """For JSON."""
    return {"title": result.title, "unit": result.unit, "values": result.values, "more": result.more, "figures": figures(name, result)}
