/**
 * The script of the pages. It takes the token out of the address at once, so that it stays in no
 * history, and puts times into the reader's zone. All else works without it.
 */
export const APPROVE_SCRIPT = `"use strict";
const enter = document.getElementById("enter");
if (enter) {
  const token = location.hash.slice(1) || sessionStorage.getItem("token");
  sessionStorage.removeItem("token");
  history.replaceState(null, "", location.pathname);
  if (token) {
    enter.elements.token.value = token;
    enter.submit();
  } else {
    document.getElementById("shell-status").textContent =
      "This link is incomplete. Open it again from the message that you were sent.";
  }
}
const onward = document.getElementById("onward");
if (onward) {
  history.replaceState(null, "", location.pathname);
  onward.submit();
}
// A sign-in leaves the page and comes back to this tab; the link's token waits here, and nowhere else.
for (const button of document.querySelectorAll("button[data-keep]"))
  button.addEventListener("click", () => sessionStorage.setItem("token", button.form.elements.token.value));
const CLOCK = { hour: "numeric", minute: "2-digit", timeZoneName: "short" };
const DAY = { year: "numeric", month: "short", day: "numeric", ...CLOCK };
const inWords = (ms) => {
  const minutes = Math.ceil(ms / 60000);
  if (minutes < 120) return "in " + minutes + " min";
  return minutes < 48 * 60 ? "in " + Math.floor(minutes / 60) + " hours" : "in " + Math.floor(minutes / 1440) + " days";
};
const showTimes = (root) => {
  for (const time of root.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    const isWaitedFor = "countdown" in time.dataset;
    time.title ||= time.textContent;
    if (!isWaitedFor) time.textContent = at.toLocaleString(undefined, "seconds" in time.dataset ? { ...DAY, second: "2-digit" } : DAY);
    else if (at <= Date.now()) time.textContent = "now";
    else time.textContent = inWords(at - Date.now()) + " (" + at.toLocaleString(undefined, at - Date.now() < 43200000 ? CLOCK : DAY) + ")";
  }
};
showTimes(document);
setInterval(() => showTimes(document), 15000);
// What a form takes in UTC is shown and filled in by the reader's clock.
for (const field of document.querySelectorAll("input[data-utc]")) {
  const sent = document.createElement("input");
  sent.type = "hidden";
  sent.name = field.name;
  field.removeAttribute("name");
  field.after(sent);
  const keep = () => (sent.value = field.value && new Date(field.value).toISOString().slice(0, 16));
  const at = new Date(field.value + "Z");
  field.value = new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  field.addEventListener("input", keep);
  keep();
}
const zone = document.getElementById("zone");
if (zone) zone.textContent = "Both by your clock (" + Intl.DateTimeFormat().resolvedOptions().timeZone + ").";
const live = document.getElementById("live");
if (live) {
  const look = async () => {
    try {
      const answer = await fetch("/approve/watch", { method: "POST", body: new URLSearchParams({ token: live.dataset.token }) });
      // A part that does not answer now may do so the next time.
      if (answer.status < 500) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        showTimes(fresh);
        if (!fresh.getElementById("live")) return document.body.replaceWith(fresh.body);
        for (const id of ["tally", "live"]) {
          const [old, now] = [document.getElementById(id), fresh.getElementById(id)];
          if (old.innerHTML !== now.innerHTML) old.replaceChildren(...now.childNodes);
        }
      }
    } catch {}
    setTimeout(look, 2500);
  };
  setTimeout(look, 1000);
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
const passkeyProblem = (fault) =>
  fault.name === "NotAllowedError"
    ? "Nothing was signed: it was cancelled, took too long, or this device has no passkey for you. You can try again."
    : fault.name === "InvalidStateError"
      ? "This device holds a passkey for you already."
    : fault.name === "NetworkError"
      ? "Stint did not answer, so nothing was signed. Wait a moment and try again."
      : "That did not work here (" + fault.name + "). Try a newer browser, or another device.";
for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = form.querySelector(".problem");
    const button = form.querySelector("button");
    problem.hidden = true;
    button.disabled = true;
    try {
      const answer = await fetch(form.dataset.challenge, { method: "POST", body: new URLSearchParams(new FormData(form)) }).catch(() => undefined);
      if (!answer || answer.status >= 500) throw new DOMException("", "NetworkError");
      // It is decided, over, or not ours: the page that says so is what this form leads to.
      if (!answer.ok) return form.submit();
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
const lock = (isLocked) => {
  for (const button of document.querySelectorAll("button")) button.disabled = isLocked;
};
// One press is one post; who stopped the page meanwhile, or came back to it, can press again.
for (const form of document.querySelectorAll("form:not([data-passkey])"))
  form.addEventListener("submit", () => setTimeout(() => (lock(true), setTimeout(lock, 10000, false))));
addEventListener("pageshow", (event) => event.persisted && lock(false));
`;

/** The mark of the pages, for tabs. */
export const FAVICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 20 20'%3E%3Ccircle cx='10' cy='10' r='8' fill='none' stroke='%231f5fd0' stroke-width='2'/%3E%3Cpath d='M10 10V4.5a5.5 5.5 0 0 1 5.5 5.5z' fill='%231f5fd0'/%3E%3C/svg%3E";

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
.actions { display: grid; gap: .6rem; margin: 1rem 0 .5rem; }
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
form + form { margin-top: .25rem; }
[hidden] { display: none !important; }
`;
