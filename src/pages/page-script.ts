/**
 * The script of the pages. It takes the token out of the address at once, so that it stays in no
 * history, and puts times into the reader's zone. All else works without it.
 */
export const PAGE_SCRIPT = `"use strict";
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
// A page that a form led to is found again by its own address, also by the back button.
const { home } = document.body.dataset;
if (home) history.replaceState(null, "", home);
// A sign-in leaves the page and comes back to this tab; the link's token waits here, and nowhere else.
for (const button of document.querySelectorAll("button[data-keep]"))
  button.addEventListener("click", () => sessionStorage.setItem("token", button.form.elements.token.value));
// In the language of the page, as it is written where the reader is.
const LOCALE = navigator.languages.find((language) => language.startsWith("en")) || "en";
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
    if (!isWaitedFor) time.textContent = at.toLocaleString(LOCALE, "seconds" in time.dataset ? { ...DAY, second: "2-digit" } : DAY);
    else if (at <= Date.now()) time.textContent = "now";
    else time.textContent = inWords(at - Date.now()) + " (" + at.toLocaleString(LOCALE, at - Date.now() < 43200000 ? CLOCK : DAY) + ")";
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
