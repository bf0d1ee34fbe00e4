"""The look of the status page: one style sheet, light and dark, without a request for it."""

from surge_exporter.web.parts import Tone

FAVICON_FILLS = {
    Tone.OK: "#1a7f5a",
    Tone.WARN: "#b45309",
    Tone.CRIT: "#c62828",
    Tone.UNKNOWN: "#64707f",
}

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f5f6f8; --card: #ffffff; --line: #e2e6eb; --rule: #edf0f3;
  --ink: #171b21; --muted: #566070; --link: #1d5fbf; --fill: #7c8ba1; --track: #e8ecf1;
  --ok: #116b4a; --ok-solid: #1f9268; --ok-tint: #e9f6f0; --ok-edge: #bfe3d3;
  --warn: #8a4706; --warn-solid: #d97f0b; --warn-tint: #fff4e0; --warn-edge: #f4d7a4;
  --crit: #a81e22; --crit-solid: #d33a3a; --crit-tint: #fdecec; --crit-edge: #f3c0c0;
  --unknown: #4b5666; --unknown-solid: #748093; --unknown-tint: #eef1f5; --unknown-edge: #d6dce4;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1116; --card: #161a21; --line: #272d37; --rule: #20262f;
    --ink: #e8ebf0; --muted: #9ca7b6; --link: #8ab8ff; --fill: #6d7c92; --track: #262d38;
    --ok: #74d3ad; --ok-solid: #35a67c; --ok-tint: #10251e; --ok-edge: #1f4a3b;
    --warn: #f3bc62; --warn-solid: #d98e22; --warn-tint: #2a2012; --warn-edge: #57401c;
    --crit: #ff9d98; --crit-solid: #e25550; --crit-tint: #301818; --crit-edge: #6b2c2c;
    --unknown: #b3bdca; --unknown-solid: #79869a; --unknown-tint: #1b212a; --unknown-edge: #333c49;
  }
}
.ok { --tone: var(--ok); --solid: var(--ok-solid); --tint: var(--ok-tint); --edge: var(--ok-edge) }
.warn {
  --tone: var(--warn); --solid: var(--warn-solid); --tint: var(--warn-tint);
  --edge: var(--warn-edge);
}
.crit {
  --tone: var(--crit); --solid: var(--crit-solid); --tint: var(--crit-tint);
  --edge: var(--crit-edge);
}
.unknown {
  --tone: var(--unknown); --solid: var(--unknown-solid); --tint: var(--unknown-tint);
  --edge: var(--unknown-edge);
}
*, ::before, ::after { box-sizing: border-box }
body {
  margin: 0 auto; padding: 1.25rem clamp(.75rem, 3vw, 2rem) 2rem; max-width: 76rem;
  background: var(--page); color: var(--ink);
  font: 400 .9375rem/1.5 Inter, system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%;
}
h1, h2, p, ul, dl, dd, pre { margin: 0; padding: 0 }
ul { list-style: none }
code { font: .92em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace }
a { color: var(--link); text-underline-offset: .2em }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 4px }
time, .state { white-space: nowrap }
.card p, .excerpt, .detail { overflow-wrap: anywhere }
.excerpt { word-break: break-all }
bdi {
  display: inline-block; max-width: 18rem; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; vertical-align: bottom;
}

header, footer {
  display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; justify-content: space-between;
  color: var(--muted); font-size: .875rem;
}
header { margin-bottom: .75rem }
header b { color: var(--ink); font-weight: 600 }
footer { margin-top: 1.5rem }
footer ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem }

main, .halves { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1rem }
.card, .tiles > div {
  background: var(--card); border: 1px solid var(--line); border-radius: .875rem;
  padding: 1rem 1.25rem;
}
h2 { font-size: .9375rem; font-weight: 600; margin-bottom: .5rem }
.note, .detail { color: var(--muted); font-size: .8125rem }
.note { margin-top: .5rem }

.icon {
  width: 1em; height: 1em; flex: none; vertical-align: -.125em;
  fill: var(--solid); stroke: var(--card); stroke-width: 1.7;
  stroke-linecap: round; stroke-linejoin: round;
}
.state { color: var(--tone) }
.state .icon { width: .875em; height: .875em; margin-right: .35em; vertical-align: -.06em }
.bar { display: block; width: 100%; height: 4px; border-radius: 2px; background: var(--track) }
.share { display: flex; align-items: center; justify-content: flex-end; gap: .75rem }
.share .bar { width: 2.5rem }
.share > span { order: 1; min-width: 3.4rem }
.bar rect { fill: var(--solid, var(--fill)) }

.verdict {
  display: grid; gap: .25rem 2rem; align-items: center;
  padding: clamp(1.25rem, 3vw, 2rem); border-radius: 1.25rem;
  background: var(--tint); border: 1px solid var(--edge);
}
.verdict > * { grid-column: 1 }
h1 {
  display: flex; gap: .35em; align-items: center;
  font-size: clamp(1.75rem, 5vw, 2.75rem); line-height: 1.1; font-weight: 650;
  letter-spacing: -.025em;
}
h1 .icon { width: .8em; height: .8em }
.lead { max-width: 44rem; margin-top: .35rem }
.pills { display: flex; flex-wrap: wrap; gap: .5rem; margin-top: 1rem }
.pill {
  display: flex; align-items: center; gap: .5em; padding: .3rem .85rem .3rem .6rem;
  border-radius: 99px; background: var(--card); border: 1px solid var(--edge);
  color: var(--tone);
}
.pill .label { color: var(--muted) }
.pill b { font-weight: 600 }
.factor b {
  display: block; font-size: clamp(3.5rem, 9vw, 5.5rem); line-height: 1; font-weight: 700;
  letter-spacing: -.045em; color: var(--tone);
}
.factor span { color: var(--muted) }
.scale { width: 100%; height: 34px; margin-top: 1rem; overflow: visible }
.scale rect { fill: var(--solid); opacity: .45; stroke: var(--tint); stroke-width: 2px }
.scale circle { fill: var(--solid); stroke: var(--card); stroke-width: 3px }
.scale text { fill: var(--muted); font-size: .8125rem }
.verdict .scale, .progress, .expected, pre { grid-column: 1 / -1 }
.progress li { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: center }
.progress b { width: 6rem; font-weight: 600 }
.progress span { color: var(--muted) }
progress {
  appearance: none; width: 16rem; max-width: 100%; height: .5rem; border: 0;
  border-radius: 4px; overflow: hidden; background: var(--unknown-edge);
}
::-webkit-progress-bar { background: var(--unknown-edge) }
::-webkit-progress-value { background: var(--unknown-solid) }
::-moz-progress-bar { background: var(--unknown-solid) }
.expected {
  display: grid; grid-template-columns: auto minmax(0, 1fr); gap: .25rem 1.5rem;
  margin: .5rem 0; overflow-wrap: anywhere;
}
pre {
  margin-top: .5rem; padding: .75rem 1rem; border-radius: .5rem; white-space: pre-wrap;
  overflow-wrap: anywhere; background: var(--card); border: 1px solid var(--edge);
}
@media (min-width: 48rem) {
  .verdict:has(.factor) { grid-template-columns: minmax(0, 1fr) auto }
  .factor { grid-column: 2; grid-row: 1 / span 3; text-align: right }
}

#actions + ul { display: grid; gap: .6rem }
#actions + ul li { display: flex; gap: .6rem; font-size: 1.0625rem }
#actions + ul .icon { margin-top: .25em }
.arrow { fill: none; stroke: var(--muted) }
strong { font-weight: 650 }

.tiles { display: grid; gap: 1rem; grid-template-columns: repeat(2, minmax(0, 1fr)) }
.tiles dt { color: var(--muted); font-size: .8125rem }
.figure { color: var(--muted) }
.figure b {
  color: var(--tone, var(--ink)); font-size: 1.875rem; line-height: 1.3; font-weight: 600;
  letter-spacing: -.02em;
}
.tiles .bar { margin: .35rem 0 .5rem }

.scroll { overflow-x: auto }
table { width: 100%; border-collapse: collapse }
th, td { padding: .45rem .5rem; text-align: left; vertical-align: top; font-weight: 400 }
th:first-child { padding-left: 0 }
td:last-child, thead th:last-child { padding-right: 0 }
thead th {
  color: var(--muted); font-size: .8125rem; border-bottom: 1px solid var(--line);
  white-space: nowrap; padding-top: 0;
}
tbody tr:last-child > * { padding-bottom: .1rem }
tbody tr + tr > * { border-top: 1px solid var(--rule) }
.number { text-align: right; white-space: nowrap }
th .detail { display: block; white-space: normal }
.line { width: 66% }
.threshold { white-space: nowrap; margin-right: .75em }
.chip {
  margin-left: .25rem; padding: 0 .45em; border-radius: 4px; font-size: .75rem;
  color: var(--muted); background: var(--track);
}
tbody th { min-width: 5.5rem }
@media (max-width: 40rem) {
  body { font-size: .875rem; padding-inline: .5rem }
  bdi { max-width: 8rem }
  .roomy, .share .bar { display: none }
  .share > span { min-width: 0 }
  table { font-size: .8125rem }
  .threshold { display: inline-block; white-space: normal }
  thead th.number { white-space: normal; vertical-align: bottom }
  th, td { padding: .45rem .3rem }
  .pill { padding: .25rem .65rem .25rem .5rem; gap: .4em }
  .factor { margin-top: .75rem }
  .factor b { margin-left: -.05em }
  .card, .tiles > div { padding: .75rem }
  .tiles, main, .halves { gap: .75rem }
  .figure b { font-size: 1.5rem }
  #actions + ul li { font-size: .9375rem }
}
@media (min-width: 56rem) {
  .tiles { grid-template-columns: repeat(4, minmax(0, 1fr)) }
  .share .bar { width: 5.5rem }
}
@media (min-width: 64rem) {
  .halves { grid-template-columns: repeat(2, minmax(0, 1fr)) }
}
"""

PROSE_STYLE = """
.prose { max-width: 60rem; width: 100%; margin-inline: auto; overflow-wrap: anywhere }
.prose h1 { font-size: clamp(1.5rem, 4vw, 2.25rem); margin-bottom: .75rem }
.prose h2 { font-size: 1.25rem; margin: 1.75rem 0 .5rem }
.prose h3 { font-size: 1rem; margin: 1.25rem 0 .25rem }
.prose p, .prose ul, .prose pre, .prose table { margin: .6rem 0 }
.prose ul { list-style: disc; padding-left: 1.4rem }
.prose li { margin: .35rem 0 }
.prose td:first-child { padding-left: 0 }
.prose pre { background: var(--page); border: 1px solid var(--line) }
.prose code { background: var(--track); border-radius: 4px; padding: .05em .3em }
.prose pre code { background: none; padding: 0 }
.prose blockquote { margin: .6rem 0; padding-left: 1rem; border-left: 3px solid var(--line) }
"""
"""What a page of text needs besides."""
