/**
 * The script of the pages. It takes the token out of the address at once, so that it stays in no
 * history, and puts times into the reader's zone. All else works without it.
 */
export const APPROVE_SCRIPT = `"use strict";
const enter = document.getElementById("enter");
if (enter) {
  const token = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  if (token) {
    enter.elements.token.value = token;
    enter.submit();
  } else {
    document.getElementById("shell-status").textContent =
      "This link is incomplete. Open it again from the message that you were sent.";
  }
}
const wait = document.getElementById("wait");
if (wait) {
  const look = async () => {
    try {
      const answer = await fetch(wait.action, {
        method: "POST",
        headers: { accept: "application/json" },
        body: new URLSearchParams(new FormData(wait)),
      });
      if (answer.ok && (await answer.json()).decided) return wait.submit();
    } catch {}
    setTimeout(look, 2000);
  };
  setTimeout(look, 2000);
}
for (const time of document.querySelectorAll("time")) {
  const at = new Date(time.dateTime);
  const clock = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  time.title = time.textContent;
  if (!("countdown" in time.dataset)) {
    time.textContent = clock;
    continue;
  }
  const show = () => {
    const minutes = Math.ceil((at - Date.now()) / 60000);
    time.textContent = minutes > 0 ? "in " + minutes + " min (" + clock + ")" : "now";
  };
  show();
  setInterval(show, 15000);
}
const passkeyProblem = (fault) =>
  fault.name === "NotAllowedError"
    ? "Nothing was signed: it was cancelled, took too long, or this device has no passkey for you. You can try again."
    : fault.name === "InvalidStateError"
      ? "This device holds a passkey for you already."
      : "That did not work here (" + fault.name + "). Try a newer browser, or another device.";
for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = form.querySelector(".problem");
    const button = form.querySelector("button");
    problem.hidden = true;
    button.disabled = true;
    try {
      const answer = await fetch(form.dataset.challenge, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      const { nonce, publicKey } = await answer.json();
      const credential = form.dataset.passkey === "create"
        ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey) })
        : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey) });
      form.elements.nonce.value = nonce;
      form.elements.credential.value = JSON.stringify(credential);
      form.submit();
    } catch (fault) {
      problem.textContent = passkeyProblem(fault);
      problem.hidden = false;
      button.disabled = false;
      button.focus();
    }
  });
}
for (const form of document.querySelectorAll("form:not([data-passkey])")) {
  form.addEventListener("submit", () => {
    setTimeout(() => {
      for (const button of document.querySelectorAll("button")) button.disabled = true;
    });
  });
}
addEventListener("pageshow", (event) => {
  if (event.persisted) for (const button of document.querySelectorAll("button")) button.disabled = false;
});
`;

/** The style of the pages: phone first, light and dark, no outside resource. */
export const STYLESHEET = `:root {
  color-scheme: light dark;
  --paper: #f4f5f7; --card: #fff; --ink: #16181d; --soft: #565d6b; --line: #d9dce2;
  --accent: #1f5fd0; --on-accent: #fff; --write: #8a4100; --write-bg: #fff0dc; --read: #14532d; --read-bg: #e3f5e9;
  --warn-bg: #fff4d6; --warn-line: #b97a00; --deny: #a11a1a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #101216; --card: #191c22; --ink: #eceef2; --soft: #a4abb8; --line: #333843;
    --accent: #7fb0ff; --on-accent: #0b1526; --write: #ffc078; --write-bg: #3d2708; --read: #9be3b4; --read-bg: #10321d;
    --warn-bg: #33290b; --warn-line: #d9a21b; --deny: #ff9b9b;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
.bar { display: flex; gap: .6rem; align-items: baseline; padding: .8rem 1rem; max-width: 40rem; margin: 0 auto; }
.mark { font-weight: 700; letter-spacing: .02em; }
.claim, small, .hint, .unchecked, figcaption { color: var(--soft); font-size: .875rem; }
main { max-width: 40rem; margin: 0 auto; padding: 0 .75rem 3rem; }
.card { display: block; background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1rem 1rem 1.25rem; }
h1 { font-size: 1.35rem; line-height: 1.25; margin: 0 0 .75rem; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 1.25rem 0 .5rem; }
.match { display: grid; grid-template-columns: 1fr auto; align-items: center; gap: 0 1rem; padding: .6rem .8rem; border: 1px dashed var(--line); border-radius: .5rem; }
.match strong { font: 700 1.5rem/1.2 ui-monospace, monospace; letter-spacing: .08em; }
.match small { grid-column: 1 / -1; }
.facts { margin: .75rem 0; display: grid; gap: .25rem; }
.facts div { display: grid; grid-template-columns: 6.5rem 1fr; gap: .5rem; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; white-space: pre-line; overflow-wrap: anywhere; }
fieldset { border: 1px solid var(--line); border-radius: .5rem; margin: .75rem 0; padding: .25rem .75rem .5rem; }
legend { font-weight: 600; padding: 0 .25rem; }
.choice { display: flex; gap: .75rem; align-items: flex-start; padding: .5rem 0; min-height: 2.75rem; cursor: pointer; }
.choice + .choice { border-top: 1px solid var(--line); }
.choice input { width: 1.35rem; height: 1.35rem; margin: .1rem 0 0; accent-color: var(--accent); flex: none; }
.unit { overflow-wrap: anywhere; }
.unit small { display: block; }
.tag { display: inline-block; font-size: .75rem; font-weight: 700; border-radius: .3rem; padding: 0 .4rem; }
.tag.write { color: var(--write); background: var(--write-bg); }
.tag.read { color: var(--read); background: var(--read-bg); }
.field { display: grid; grid-template-columns: 6.5rem 1fr; align-items: center; gap: .5rem; }
.field span { color: var(--soft); }
select, input[type="text"] { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--soft); border-radius: .5rem; padding: .55rem .6rem; width: 100%; }
.actions { display: grid; gap: .6rem; margin: 1rem 0 .5rem; }
@media (min-width: 30rem) { .actions { grid-auto-flow: column; grid-auto-columns: 1fr; } }
button { font: 600 1rem/1.2 system-ui, sans-serif; min-height: 3rem; padding: .6rem 1rem; border-radius: .6rem; border: 2px solid var(--accent); background: var(--accent); color: var(--on-accent); cursor: pointer; width: 100%; }
button.deny { background: transparent; border-color: var(--deny); color: var(--deny); }
button.quiet { background: transparent; border-color: var(--line); color: var(--ink); }
button:disabled { opacity: .55; cursor: default; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.banner { border-left: 4px solid var(--warn-line); background: var(--warn-bg); border-radius: .4rem; padding: .6rem .8rem; margin: 1rem 0 0; }
.problem { border-left: 4px solid var(--deny); padding: .4rem .8rem; margin: 1rem 0 0; }
.quotes { margin-top: 1.25rem; border-top: 1px solid var(--line); }
.quotes p { margin: 0 0 .5rem; }
figure { margin: 0 0 .75rem; }
blockquote { margin: .15rem 0 0; padding: .4rem .8rem; border-left: 4px solid var(--line); max-height: 9rem; overflow: auto; white-space: pre-line; overflow-wrap: anywhere; font-style: italic; }
.lines { padding: 0; margin: 0; list-style: none; }
.lines li { padding: .4rem 0; border-top: 1px solid var(--line); }
.digest { color: var(--soft); font-size: .8rem; margin: 1rem 0 0; }
.digest code { overflow-wrap: anywhere; }
.outcome { border-top: 6px solid var(--line); }
.outcome.good { border-top-color: var(--read); }
.outcome.warn { border-top-color: var(--warn-line); }
form + form { margin-top: .25rem; }
[hidden] { display: none; }
`;
