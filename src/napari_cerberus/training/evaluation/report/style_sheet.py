"""The page's style sheet."""

STYLE = """
:root { color-scheme: light; --ink: #1d2733; --soft: #5d6b7a; --line: #d9dfe6; --accent: #1f5e96;
  --drawn: #ffd83d; --found: #00c8ff; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f6f8; color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 24px; }
h1 { font-size: 26px; margin: 8px 0 16px; overflow-wrap: anywhere; }
h2 { font-size: 21px; margin: 0 0 12px; }
h3 { font-size: 16px; margin: 24px 0 8px; }
section, .facts { background: #fff; border: 1px solid var(--line); border-radius: 8px;
  padding: 20px 24px; margin: 20px 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th[scope=row], thead th:first-child { text-align: left; }
thead th { color: var(--soft); font-weight: 600; white-space: nowrap; }
td small { display: block; color: var(--soft); font-size: 12px; white-space: nowrap; }
tbody tr:first-child th[scope=row] { font-weight: 700; }
.confusion td { text-align: center; min-width: 64px; }
.confusion td.dark { color: #fff; }
.confusion thead th { white-space: normal; vertical-align: bottom; }
.banner { border-radius: 8px; padding: 14px 20px; margin: 12px 0; border: 1px solid; }
.banner strong { font-size: 20px; }
.banner p { margin: 0; }
.bad { background: #fdecea; border-color: #c0392b; color: #8f1d12; }
.bad strong { font-size: 28px; }
.banner.warn { background: #fff6e0; border-color: #c98a00; color: #6d4b00; }
.good { background: #e9f6ee; border-color: #3c9a61; color: #1d5c37; }
.weak { background: #fff6e0; border-left: 4px solid #c98a00; padding: 8px 14px; }
.tag { background: #c98a00; color: #fff; border-radius: 4px; font-size: 13px; padding: 2px 8px; margin-left: 10px;
  vertical-align: middle; }
.muted { color: var(--soft); }
small.warn { color: #a15c00; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)); gap: 16px; }
figure { margin: 0; }
figcaption { font-size: 13px; overflow-wrap: anywhere; }
.overlay { width: 100%; height: auto; display: block; border-radius: 4px; }
.overlay path { fill: none; stroke-width: 1.6px; vector-effect: non-scaling-stroke; }
.overlay path.drawn { stroke: var(--drawn); }
.overlay path.found { stroke: var(--found); stroke-dasharray: 5 2; }
.key { margin-right: 18px; }
.key::before { content: ""; display: inline-block; width: 22px; border-top: 3px solid; margin-right: 6px;
  vertical-align: middle; }
.key.drawn::before { border-color: var(--drawn); }
.key.found::before { border-color: var(--found); border-top-style: dashed; }
svg text { font-size: 12px; fill: var(--ink); }
svg text.muted { fill: var(--soft); }
svg .frame { fill: none; stroke: var(--line); }
svg .grid { stroke: var(--line); }
svg .ideal { stroke: var(--soft); stroke-dasharray: 4 4; }
svg .curve { fill: none; stroke: var(--accent); stroke-width: 2; }
svg .dot { fill: var(--accent); }
svg .interval { stroke: var(--accent); stroke-width: 3; opacity: .45; }
@media print { body { background: #fff; } section { break-inside: avoid; } }
"""
"""Plain CSS; it holds nothing that comes from outside."""
