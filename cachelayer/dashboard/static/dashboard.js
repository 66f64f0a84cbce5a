// What the page does beyond being a page: it stays up to date, opens drawers and dialogs in place, and shows what is
// under the pointer. Everything works without it, a page load at a time: the server writes all there is to see.
"use strict";

const body = document.body;
const $ = (id) => document.getElementById(id);
const INTERVAL = 1000 * Number(body.dataset.interval);
const SLOWEST = 30000;

// -- keeping up to date ---------------------------------------------------------------------------------------

let shown = new URL(location.href);
let asked = 0;
let failures = 0;
let updated = Date.now();
let timer = 0;

// Fetch the parts for `url` and put those that changed in place. A later call overtakes an earlier one.
async function show(url, { byUser = false } = {}) {
  const mine = ++asked;
  clearTimeout(timer);
  if (byUser) body.classList.add("busy");
  try {
    const answer = await fetch("live" + url.search, {
      headers: { "X-Requested-With": "dashboard" }, cache: "no-store", credentials: "same-origin",
      signal: AbortSignal.timeout(15000),
    });
    if (mine !== asked) return;
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
    const text = await answer.text();
    if (mine !== asked) return;
    exchange(new DOMParser().parseFromString(text, "text/html"));
    failures = 0;
    updated = Date.now();
    shown = url;
    mark(url);
  } catch (error) {
    if (mine !== asked) return;
    failures += 1;
    complain(error);
  } finally {
    if (mine === asked) {
      body.classList.remove("busy");
      again();
    }
  }
  tell();
}

function again() {
  clearTimeout(timer);
  // A page that nobody sees asks for nothing; a server that fails is asked less and less often.
  if (!document.hidden) timer = setTimeout(() => show(shown), Math.min(SLOWEST, INTERVAL * 2 ** Math.min(failures, 5)));
}

function exchange(fresh) {
  const focused = document.activeElement && document.activeElement.id;
  const parts = [...fresh.querySelectorAll("[data-part]")];
  // The page was loaded while there were no figures: now it is filled. The other way round, the latest ones stay.
  if (parts.some((part) => !$(part.id))) $("main").replaceChildren(...fresh.body.childNodes);
  for (const part of parts) {
    const old = $(part.id);
    if (!old || old === part) continue;
    localise(part);
    if (old.outerHTML === part.outerHTML) continue;
    const inner = old.scrollTop;
    const scrolled = [...old.querySelectorAll(".scroll")].map((one) => [one.scrollLeft, one.scrollTop]);
    old.replaceWith(part);
    part.scrollTop = inner;
    part.querySelectorAll(".scroll").forEach((one, place) => { one.scrollTo(...(scrolled[place] || [0, 0])); });
  }
  arrange();
  if (focused && document.activeElement.id !== focused && $(focused)) $(focused).focus({ preventScroll: true });
}

// Panels that were absent and are there now, or the other way round, change the pairs that they stand in.
function arrange() {
  const curve = $("curve");
  if (curve) curve.parentElement.className = curve.hidden ? "" : "pair";
}

const isDrawn = () => Boolean($("drawer")) && !$("drawer").hidden;

function complain(error) {
  const notices = $("notices");
  let line = $("offline");
  if (!line) {
    line = document.createElement("div");
    line.id = "offline";
    line.className = "notice bad";
    notices.append(line);
  }
  const why = error.name === "TimeoutError" || error instanceof TypeError ? "the server cannot be reached" : error.message;
  line.textContent = `Not updated since ${new Date(updated).toLocaleTimeString()}: ${why}. Trying again.`;
}

function tell() {
  const late = Date.now() - updated > Math.max(3 * INTERVAL, 5000) || failures > 1;
  body.classList.toggle("stale", late);
  $("live-dot").className = failures ? "dot bad" : late ? "dot warn" : "dot";
  $("live-words").textContent = `${failures || late ? "last" : "live"} ${new Date(updated).toLocaleTimeString()}`;
}

// The server writes UTC; here it becomes the reader's own time, on the axes as in the lists.
function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    time.textContent = time.dataset.span ? tick(at, Number(time.dataset.span)) : moment(at);
    time.title = at.toLocaleString();
  }
  for (const zone of root.querySelectorAll(".zone")) zone.hidden = true;
}

function moment(at) {
  const today = new Date().toDateString() === at.toDateString();
  return today ? at.toLocaleTimeString() : at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

function tick(at, span) {
  if (span > 8 * 86400) return at.toLocaleDateString([], { day: "numeric", month: "short" });
  const day = span > 1.5 * 86400 ? { weekday: "short" } : {};
  return at.toLocaleTimeString([], { ...day, hour: "2-digit", minute: "2-digit" });
}

// -- where we are ---------------------------------------------------------------------------------------------

function go(url, { replace = false } = {}) {
  if (url.search !== location.search) history[replace ? "replaceState" : "pushState"]({}, "", url);
  shown = url;
  return show(url, { byUser: true });
}

function changed(name, value) {
  const url = new URL(shown);
  if (value) url.searchParams.set(name, value); else url.searchParams.delete(name);
  return url;
}

// The bar is not exchanged, so that nobody's typing is interrupted; only its links follow.
function mark(url) {
  const now = url.searchParams.get("window") || "1h";
  for (const link of document.querySelectorAll("[data-window]")) {
    const name = link.dataset.window;
    link.toggleAttribute("aria-current", name === now);
    if (name === now) link.setAttribute("aria-current", "true");
    const target = new URL(url);
    target.searchParams.delete("page");
    if (name === "1h") target.searchParams.delete("window"); else target.searchParams.set("window", name);
    link.setAttribute("href", "./" + target.search);
  }
}

let opener = "";

document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const link = event.target.closest("a, button");
  if (!link) return;
  if (link.dataset.purge !== undefined && $("purge-form")) {
    event.preventDefault();
    openPurge(link);
  } else if (link.dataset.dismiss !== undefined && $("dialog").open) {
    event.preventDefault();
    $("dialog").close();
  } else if (link.dataset.live !== undefined) {
    event.preventDefault();
    follow(link);
  }
});

async function follow(link) {
  const opens = link.dataset.open;
  if (opens !== undefined) opener = opens;
  await go(new URL(link.getAttribute("href"), document.baseURI));
  if (opens !== undefined && isDrawn()) $("drawer").focus();
  if (link.dataset.close !== undefined) focusOpener();
}

function focusOpener() {
  for (const row of document.querySelectorAll("tr[data-label]")) {
    if (row.dataset.label === opener) return row.querySelector("a").focus();
  }
  $("main").focus();
}

async function closeDrawer() {
  await go(changed("route", ""));
  focusOpener();
}

addEventListener("popstate", () => {
  const url = new URL(location.href);
  $("filter").value = url.searchParams.get("q") || "";
  shown = url;
  show(url, { byUser: true });
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest && event.target.closest("input, textarea, select");
  if (event.key === "Escape" && !$("dialog").open && isDrawn()) {
    event.preventDefault();
    closeDrawer();
  } else if (event.key === "/" && !typing && !$("dialog").open && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    $("filter").focus();
  } else if (event.key === "Tab" && isDrawn() && !$("dialog").open) {
    keepInside(event, $("drawer"));
  }
});

// Tab goes round within the drawer while it is open.
function keepInside(event, box) {
  const stops = [...box.querySelectorAll("a[href], button, input, [tabindex='0']")].filter((one) => one.offsetParent !== null || one.getClientRects().length);
  if (!stops.length || !box.contains(document.activeElement)) return;
  const [first, last] = [stops[0], stops[stops.length - 1]];
  const at = document.activeElement;
  if (event.shiftKey && (at === first || at === box)) { event.preventDefault(); last.focus(); }
  else if (!event.shiftKey && at === last) { event.preventDefault(); first.focus(); }
}

let typed = 0;
$("filter").addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => {
    const url = changed("q", $("filter").value.trim());
    url.searchParams.delete("page");
    go(url, { replace: true });
  }, 150);
});
$("filter-form").addEventListener("submit", (event) => event.preventDefault());

// -- purging and pausing --------------------------------------------------------------------------------------

const token = () => ($("token") ? $("token").dataset.token : "");

function openPurge(link) {
  const dialog = $("dialog");
  dialog.replaceChildren($("purge-form").content.cloneNode(true));
  const form = dialog.querySelector("form");
  form.elements.kind.value = link.dataset.purge;
  if (link.dataset.value) form.elements.value.value = link.dataset.value;
  hint(form);
  dialog.showModal();
  $("purge-value").focus();
}

function hint(form) {
  const chosen = form.querySelector("[data-hint]:checked");
  if (chosen) $("purge-value").placeholder = chosen.dataset.hint;
}

$("dialog").addEventListener("change", (event) => { if (event.target.name === "kind") hint(event.target.form); });

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.dataset.purgeForm === undefined && form.dataset.action === undefined) return;
  event.preventDefault();
  const fields = new URLSearchParams(new FormData(form, event.submitter));
  if (token()) fields.set("csrf_token", token());
  for (const button of form.querySelectorAll("button")) button.disabled = true;
  const answer = await fetch(form.getAttribute("action"), {
    method: "POST", body: fields, credentials: "same-origin", redirect: "follow",
    headers: { "X-Requested-With": "dashboard" },
  }).catch(() => null);
  if (form.dataset.purgeForm !== undefined) await answered(answer);
  show(shown, { byUser: true });
});

async function answered(answer) {
  const dialog = $("dialog");
  const text = answer ? await answer.text() : "<div class=dialog><div class='notice bad' role=alert>The server cannot be reached.</div></div>";
  dialog.replaceChildren(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
  const next = dialog.querySelector("button[name=step], [data-dismiss]:last-of-type");
  if (next) next.focus();
}

$("dialog").addEventListener("click", (event) => { if (event.target === $("dialog")) $("dialog").close(); });

// -- what is under the pointer --------------------------------------------------------------------------------

const tip = $("tip");
document.addEventListener("pointermove", (event) => {
  const about = event.target.closest && event.target.closest("[data-tip]");
  tip.hidden = !about;
  if (!about) return;
  const words = tipOf(about);
  if (tip.textContent !== words) tip.textContent = words;
  const box = tip.getBoundingClientRect();
  const left = Math.min(event.clientX + 16, innerWidth - box.width - 8);
  const below = event.clientY + 20;
  tip.style.setProperty("left", `${Math.max(8, left)}px`);
  tip.style.setProperty("top", `${below + box.height > innerHeight ? event.clientY - box.height - 12 : below}px`);
});
function tipOf(about) {
  const { start, step, span } = about.parentElement.dataset;
  if (!step) return about.dataset.tip;
  const place = [...about.parentElement.querySelectorAll("[data-tip]")].indexOf(about);
  return `${tick(new Date(1000 * (Number(start) + place * Number(step))), Number(span))}\n${about.dataset.tip}`;
}
document.addEventListener("pointerleave", () => { tip.hidden = true; });
document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

// -- light and dark -------------------------------------------------------------------------------------------

const dark = matchMedia("(prefers-color-scheme: dark)");
$("theme").hidden = false;
$("theme").addEventListener("click", () => {
  const now = document.documentElement.dataset.theme || (dark.matches ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try { localStorage.setItem("cachelayer-theme", next); } catch { /* a browser that keeps nothing forgets it */ }
});

// -- begin ----------------------------------------------------------------------------------------------------

document.addEventListener("visibilitychange", () => { if (document.hidden) clearTimeout(timer); else show(shown); });
setInterval(tell, 1000);
$("live").hidden = false;
localise(document);
arrange();
mark(shown);
tell();
again();
