/** The style of the pages: phone first, light and dark, no outside resource. */
export const STYLESHEET = `:root {
  color-scheme: light dark;
  --paper: #f2f4f7; --card: #fff; --ink: #14171c; --soft: #505866; --line: #d7dbe2; --edge: #838b99;
  --accent: #1b57c4; --on-accent: #fff; --write: #8a4100; --write-bg: #fff3e4; --read: #14532d; --read-bg: #e9f7ee;
  --warn-bg: #fff6de; --warn-line: #a86f00; --deny: #9f1717; --shadow: 0 1px 2px #0000000d, 0 8px 24px #0000000f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #0e1014; --card: #181b21; --ink: #eceef2; --soft: #a9b0bd; --line: #323743; --edge: #7d8594;
    --accent: #8ab4ff; --on-accent: #0a1424; --write: #ffc078; --write-bg: #33220b; --read: #9be3b4; --read-bg: #0f2c1a;
    --warn-bg: #2f260b; --warn-line: #d9a21b; --deny: #ff9f9f; --shadow: none;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
.bar { display: flex; justify-content: space-between; align-items: center; gap: 1rem; padding: .8rem 1rem .6rem; max-width: 42rem; margin: 0 auto; }
.wordmark { display: inline-flex; align-items: center; gap: .45rem; font-weight: 700; letter-spacing: .01em; color: var(--accent); }
.who, small, .hint, figcaption { color: var(--soft); font-size: .875rem; }
.who { overflow-wrap: anywhere; text-align: right; }
main { max-width: 42rem; margin: 0 auto; padding: 0 .75rem 3rem; display: grid; gap: .75rem; }
.card { display: block; min-width: 0; background: var(--card); border: 1px solid var(--line); border-radius: .9rem; padding: 1.1rem 1.1rem 1.25rem; box-shadow: var(--shadow); }
h1 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 .8rem; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 0 0 .35rem; }
p { margin: .6rem 0; }
a { color: var(--accent); text-underline-offset: .15em; }
.match { display: grid; grid-template-columns: 1fr auto; align-items: center; gap: 0 1rem; padding: .6rem .85rem; border: 1px dashed var(--edge); border-radius: .6rem; }
.match strong { font: 700 1.5rem/1.2 ui-monospace, SFMono-Regular, Menlo, monospace; letter-spacing: .08em; }
.match small { grid-column: 1 / -1; }
.facts { margin: .8rem 0; display: grid; gap: .3rem; }
.facts div { display: grid; grid-template-columns: 6.5rem 1fr; gap: .5rem; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; white-space: pre-line; overflow-wrap: anywhere; }
.group { min-width: 0; border: 1px solid var(--line); border-left: 4px solid var(--edge); border-radius: .6rem; margin: .75rem 0; padding: .35rem .85rem .45rem; }
.group.write { border-left-color: var(--write); background: var(--write-bg); }
.group.read { border-left-color: var(--read); background: var(--read-bg); }
.group h2, .group h3, legend { font-size: 1rem; font-weight: 650; margin: .25rem 0; }
.group.write h2, .write > legend { color: var(--write); }
.group.read h2, .read > legend { color: var(--read); }
legend { float: left; width: 100%; padding: 0; }
legend + * { clear: both; }
.nothing { margin: .25rem 0; color: var(--soft); }
.choice { display: flex; gap: .75rem; align-items: flex-start; padding: .55rem 0; min-height: 2.75rem; cursor: pointer; }
.choice + .choice, .lines li + li { border-top: 1px solid var(--line); }
.choice input { width: 1.35rem; height: 1.35rem; margin: .1rem 0 0; accent-color: var(--accent); flex: none; }
.unit { min-width: 0; overflow-wrap: anywhere; }
.unit small { display: block; }
.lines { padding: 0; margin: 0; list-style: none; }
.lines li { padding: .45rem 0; }
.field { display: grid; gap: .3rem; margin: .75rem 0; }
.field > span { color: var(--soft); }
select, input[type="text"], input[type="number"], input[type="datetime-local"], textarea { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--edge); border-radius: .55rem; padding: .6rem .7rem; width: 100%; }
textarea { min-height: 2.9rem; resize: vertical; }
summary { cursor: pointer; padding: .55rem 0; color: var(--soft); }
.actions { display: grid; gap: .6rem; margin: 1rem 0 0; }
.actions + .hint { margin-top: .75rem; }
@media (min-width: 30rem) { .actions { grid-auto-flow: column; grid-auto-columns: 1fr; } .field { grid-template-columns: 6.5rem 1fr; align-items: center; } }
button { font: 650 1rem/1.2 system-ui, -apple-system, "Segoe UI", sans-serif; min-height: 3rem; padding: .6rem 1rem; border-radius: .65rem; border: 2px solid var(--accent); background: var(--accent); color: var(--on-accent); cursor: pointer; width: 100%; overflow-wrap: anywhere; }
button:hover { filter: brightness(1.08); }
button.deny { background: transparent; border-color: var(--deny); color: var(--deny); }
button.quiet { background: transparent; border-color: var(--line); color: var(--ink); }
button:disabled { opacity: .55; cursor: default; filter: none; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: .3rem; }
.banner { border-left: 4px solid var(--warn-line); background: var(--warn-bg); border-radius: .45rem; padding: .6rem .85rem; margin: .9rem 0 0; }
.banner.alarm { border-left-color: var(--deny); }
.problem { border-left: 4px solid var(--deny); padding: .4rem .85rem; margin: 1rem 0 0; }
.words { background: transparent; box-shadow: none; border-style: dashed; border-color: var(--edge); }
figure { margin: 0 0 .75rem; }
blockquote { margin: .2rem 0 0; padding: .45rem .85rem; border-left: 4px solid var(--edge); max-height: 9rem; overflow: auto; white-space: pre-line; overflow-wrap: anywhere; font-style: italic; }
.refused { color: var(--deny); }
.until { margin: .9rem 0; }
code { font: .9em ui-monospace, SFMono-Regular, Menlo, monospace; overflow-wrap: anywhere; }
.digest { color: var(--soft); font-size: .85rem; margin: 1rem 0 0; }
.outcome { border-top: 6px solid var(--edge); }
.outcome.good { border-top-color: var(--read); }
.outcome.warn { border-top-color: var(--warn-line); }
form + form { margin-top: .6rem; }
form + form > .actions { margin-top: 0; }
.card > :last-child, .group > :last-child, figure > :last-child { margin-bottom: 0; }
[hidden] { display: none !important; }
`;
