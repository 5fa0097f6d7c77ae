"""How the page looks, on a screen of any width and on paper."""

from participant.report.markup import css_string

_STYLE = """
:root { color-scheme: light; --ink: #1c2530; --soft: #51606f; --rule: #d5dce3; --paper: #fff;
  --tint: #f4f6f8; --deep: #17415f; --good: #17633a; --bad: #9a1b1b; --warn: #7a4d00; }
* { box-sizing: border-box; }
html { font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--ink); background: var(--paper); -webkit-text-size-adjust: 100%; }
body { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; overflow-wrap: break-word; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.35rem; margin: 2.6rem 0 .6rem; padding-top: .7rem;
  border-top: 2px solid var(--deep); color: var(--deep); }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
p, .remarks { margin: .5rem 0; max-width: 52rem; }
.kicker { margin: 0 0 .2rem; font-size: .85rem; font-weight: 600; letter-spacing: .04em;
  color: var(--soft); }
.soft, figcaption, caption { color: var(--soft); }
a { color: var(--deep); }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: 1.2rem 0 0; padding: 0;
  list-style: none; }
.verdict { margin: 1.4rem 0 .8rem; padding: .9rem 1.1rem; border: 1px solid var(--rule);
  border-left-width: .5rem; border-radius: .3rem; background: var(--tint); }
.verdict p { margin: .2rem 0; }
.verdict strong { font-size: 1.2rem; }
.verdict.holds { border-color: var(--good); } .verdict.holds strong { color: var(--good); }
.verdict.fails { border: 3px solid var(--bad); border-left-width: .7rem; }
.verdict.fails strong, .failed { color: var(--bad); font-weight: 700; }
.finding { color: var(--warn); font-weight: 600; }
.ok { color: var(--good); font-weight: 600; }
.warning { padding: .4rem .7rem; border: 2px solid var(--bad); color: var(--bad);
  font-weight: 700; }
.glance { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .7rem;
  margin: 1rem 0; padding: 0; }
.glance div { padding: .6rem .8rem; border: 1px solid var(--rule); border-radius: .3rem; }
.glance dt { font-size: .82rem; color: var(--soft); }
.glance dd { margin: 0; font-size: 1.3rem; font-weight: 600; line-height: 1.3; }
.words { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: .88rem; }
dl.facts { display: grid; grid-template-columns: 13rem 1fr; gap: .25rem 1rem; margin: .8rem 0; }
dl.facts dt { color: var(--soft); } dl.facts dd { margin: 0; min-width: 0; }
table { width: 100%; border-collapse: collapse; margin: .8rem 0; font-size: .92rem;
  font-variant-numeric: tabular-nums; }
caption { padding-bottom: .3rem; text-align: left; font-size: .88rem; }
th, td { padding: .38rem .55rem; border-bottom: 1px solid var(--rule); text-align: left;
  vertical-align: top; }
thead th { border-bottom: 2px solid var(--deep); font-size: .82rem; vertical-align: bottom; }
tbody th { font-weight: 600; }
.number { text-align: right; white-space: nowrap; }
.unbroken { white-space: nowrap; }
.none { color: var(--soft); }
table.deeds { table-layout: fixed; }
.round { margin: 1.4rem 0; padding: .2rem 1rem .5rem; border: 1px solid var(--rule);
  border-radius: .3rem; }
.round h3 { margin-top: .7rem; }
ul.remarks { padding-left: 1.2rem; }
.notes { font-size: .88rem; }
figure { margin: 1.2rem 0; }
figcaption { font-size: .88rem; }
.plot { display: block; overflow: visible; margin: 0 .8rem 0 3.4rem;
  width: calc(100% - 4.2rem); font-size: 12px; }
.patterns { position: absolute; }
.area { overflow: visible; }
.plot text { fill: var(--ink); }
.plot .tick { text-anchor: end; } .plot .label { text-anchor: middle; }
.plot .axis { text-anchor: end; fill: var(--soft); font-size: 11px; }
.grid { stroke: #c9d1d8; stroke-width: 1; }
.plot rect, .swatch rect { stroke: #fff; stroke-width: 1; }
.plot polyline { fill: none; stroke: var(--deep); stroke-width: 2;
  vector-effect: non-scaling-stroke; }
.plot circle { fill: #fff; stroke: var(--deep); stroke-width: 2; }
.stretched { overflow: visible; }
.phase-0 { fill: #17415f; } .phase-1 { fill: #f0b64c; } .phase-2 { fill: #4f8a8b; }
.phase-3 { fill: url(#stripes); } .phase-4 { fill: url(#dots); }
.plot .phase-3, .swatch .phase-3, .plot .phase-4, .swatch .phase-4 { stroke: #39424c; }
.paper { fill: #fff; stroke: none; } .stripe { stroke: #39424c; stroke-width: 1.2; fill: none; }
.patterns .dot { fill: #39424c; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: .3rem 0; padding: 0;
  list-style: none; font-size: .88rem; }
.swatch { margin-right: .35rem; vertical-align: -1px; }
dl.glossary dt { font-weight: 600; } dl.glossary dd { margin: 0 0 .5rem; max-width: 46rem; }
footer { margin-top: 3rem; padding-top: .7rem; border-top: 1px solid var(--rule);
  font-size: .85rem; color: var(--soft); }

@media screen and (max-width: 44rem) {
  body { padding: 1rem .8rem 2rem; }
  h1 { font-size: 1.5rem; }
  dl.facts { grid-template-columns: 1fr; gap: 0; } dl.facts dd { margin-bottom: .5rem; }
  .glance { grid-template-columns: 1fr 1fr; gap: .5rem; }
  .round { padding: .1rem .6rem .4rem; }
  table.cards, .cards tbody, .cards tr, .cards th, .cards td { display: block; width: 100%; }
  .cards caption { display: block; }
  .cards thead { position: absolute; width: 1px; height: 1px; overflow: hidden;
    clip-path: inset(50%); }
  .cards tr { padding: .5rem 0; border-bottom: 1px solid var(--rule); }
  .cards th, .cards td { padding: .1rem 0; border: 0; text-align: left; white-space: normal; }
  .cards td[data-label]::before { content: attr(data-label) ": "; color: var(--soft); }
  table.deeds, table.checks { font-size: .78rem; } 
  .deeds th, .deeds td, .checks th, .checks td { padding: .3rem .2rem; }
  .deeds thead th { font-size: .72rem; hyphens: auto; }
}

@page { size: A4; margin: 20mm 16mm 18mm;
  @top-left { content: TITLE; font: 8.5pt system-ui, sans-serif; color: #51606f; }
  @top-right { content: STATE; font: 8.5pt system-ui, sans-serif; color: #51606f; }
  @bottom-left { content: HEAD; font: 8.5pt system-ui, sans-serif; color: #51606f; }
  @bottom-right { content: counter(page) " of " counter(pages);
    font: 8.5pt system-ui, sans-serif; color: #51606f; } }

@media print {
  html { font-size: 10pt; background: none; }
  th, td { padding: .25rem .5rem; }
  dl.glossary { columns: 2; column-gap: 2rem; }
  footer { margin-top: 1rem; }
  body { max-width: none; padding: 0; }
  nav { display: none; }
  a { color: inherit; text-decoration: none; }
  .verdict { background: none; }
  h2, h3, caption { break-after: avoid; }
  h2 { margin-top: 1.6rem; }
  thead { display: table-header-group; }
  tr, figure, .verdict, .glance, .remarks li, dl.glossary div { break-inside: avoid; }
  .round { break-inside: avoid; border: 0; border-top: 1px solid var(--rule); border-radius: 0;
    padding: 0; }
  p { orphans: 3; widows: 3; }
}
"""


def style(title: str, state: str, head: str) -> str:
    """The style sheet; the words go into the head and foot of every printed page."""
    said = {"TITLE": title, "STATE": state, "HEAD": head}
    sheet = _STYLE
    for name, words in said.items():
        sheet = sheet.replace(f"content: {name};", f"content: {css_string(words)};")
    return sheet
