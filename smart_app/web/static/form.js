// The answering page, improved: each answer is saved as it is given, and the page always says whether it is.
// Without this file the form works with one POST. Nothing is kept in the browser beyond the page itself.
"use strict";

const form = document.getElementById("form");
const device = form.elements.device.value;
const token = form.elements.csrf_token.value;
const questions = [...form.querySelectorAll(".question")].map((row) => ({
  row, link: row.dataset.link, number: row.dataset.number, typed: row.querySelector("[data-text], [data-other], [data-option]") !== null,
  radios: [...row.querySelectorAll("input[type=radio]")], seen: row.querySelector("input[name^='seen.']"), told: "", value: "", saved: "", busy: false, failed: "", conflict: null,
}));
const undo = [];
let sequence = Number(form.elements.sequence.value), current = null, keysOn = true, leaving = false, pointing = false, toldAt = 0, telling = 0;

const value = (question) => (question.typed ? written(question.row) : (question.radios.find((radio) => radio.checked) || { value: "" }).value);
const part = (id) => document.getElementById(id).content.cloneNode(true);
const unsaved = (question) => question.busy || question.value !== question.saved;

// An answer that is not one option, as one text: the server joins the fields of a posted form in the same way.
function written(row) {
  const find = (name) => row.querySelector(`[data-${name}]`);
  const text = find("text"), other = find("other"), clock = find("clock"), unit = find("unit"), decline = find("decline");
  if (decline && decline.checked) return "declined";
  const chosen = [...row.querySelectorAll("[data-option]:checked")].map((option) => option.value);
  const lines = other && other.value.trim() ? other.value.trim().split("\n").map((line) => `other:${line}`) : [];
  if (!text) return (row.querySelector("input[name^='many.']") || !lines.length ? [...chosen, ...lines] : lines).join("\n");
  const answer = text.value.trim();
  if (answer && clock && clock.value) return `${answer}T${clock.value}`;
  return answer && unit ? `${answer} ${unit.value}` : answer;
}

function fill(row, answer) {
  const find = (name) => row.querySelector(`[data-${name}]`);
  const text = find("text"), other = find("other"), clock = find("clock"), unit = find("unit"), decline = find("decline");
  const lines = answer === "declined" ? [] : answer.split("\n");
  if (decline) decline.checked = answer === "declined";
  row.querySelectorAll("[data-option]").forEach((option) => { option.checked = lines.includes(option.value); });
  if (other) other.value = lines.filter((line) => line.startsWith("other:")).map((line) => line.slice(6)).join("\n");
  if (!text) return;
  const space = unit ? lines.join("").indexOf(" ") : -1;
  text.value = clock ? lines.join("").slice(0, 10) : space < 0 ? lines.join("\n") : lines[0].slice(0, space);
  if (clock) clock.value = lines.join("").slice(11, 16);
  if (unit && space >= 0) unit.value = lines[0].slice(space + 1);
}

function show(question, template, words) {
  const place = question.row.querySelector("[data-state]");
  place.replaceChildren(template ? part(template) : "");
  if (words) (place.querySelector(".state > span") || place).textContent = words;
  question.row.classList.toggle("question--failed", template === "state-failed");
  question.row.classList.toggle("question--conflict", template === "state-conflict");
}

function wording(question, code) {
  if (question.typed && code) return code === "declined" ? "“Declined to answer”" : `“${code.replaceAll("other:", "")}”`;
  const theirs = question.radios.find((radio) => radio.value === code);
  return theirs ? `“${theirs.nextSibling.textContent.trim()}”` : "no answer"; // the words of the option, without its points
}

function choose(question, code) {
  if (question.typed) fill(question.row, code);
  else question.radios.forEach((radio) => { radio.checked = radio.value === code; });
  question.value = question.told = code;
}

async function save(question) {
  if (question.busy) return; // the newest value goes when the answer to this one is here
  const sent = question.value;
  const status = sent === "" ? "cleared" : sent === "declined" ? "declined" : "answered";
  question.busy = true;
  sequence += 1;
  show(question, "state-saving");
  const answer = { link_id: question.link, status, code: status === "answered" ? sent : null, sequence, seen_version: Number(question.seen.value) };
  try {
    const reply = await fetch(form.dataset.save, {
      method: "POST", credentials: "same-origin", signal: AbortSignal.timeout(10000),
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token },
      body: JSON.stringify({ device, answers: [answer] }),
    });
    const report = await reply.json();
    question.busy = false;
    if (reply.ok) settle(question, sent, report);
    else fail(question, `${report.title}. ${report.remedy}`);
  } catch {
    question.busy = false;
    fail(question, `The server could not be reached at ${clock()}.`);
  }
  tell();
}

function settle(question, sent, report) {
  const result = report.saves.find((one) => one.link_id === question.link);
  question.failed = "";
  if (result.code === "cleared") result.code = "";
  if (result.kind === "conflict" || (result.kind === "late" && result.code !== sent)) {
    question.conflict = result;
    question.saved = result.code;
    show(question, "state-conflict", `Another page saved: ${wording(question, result.code)}. Yours is not saved.`);
  } else {
    question.saved = sent;
    question.seen.value = result.version;
    show(question, sent === "" ? "state-open" : "state-saved", result.words);
  }
  showOpen(report.not_asked);
  document.getElementById("progress-words").textContent = report.progress;
  document.getElementById("done").value = report.answered;
  document.getElementById("total").textContent = report.total;
  risk(report.risk_notice);
  if (question.value !== sent && !question.conflict) save(question);
  questions.filter((other) => other.failed && !other.busy).forEach(save); // the server is back
}

function showOpen(notAsked) { // an answer can call for a question below, or no longer
  questions.filter((question) => question.value === "" && !unsaved(question) && !question.failed)
    .forEach((question) => show(question, notAsked.includes(question.link) ? "state-not-asked" : "state-open"));
}

function fail(question, why) {
  question.failed = why;
  show(question, "state-failed");
}

function risk(words) {
  if (!words) return; // an alert never goes by itself: what the page said once stays
  const notice = part("notice-risk");
  notice.querySelector("[data-words]").textContent = words;
  document.getElementById("risk").replaceChildren(notice);
}

function tell() {
  const failed = questions.filter((question) => question.failed && !question.busy);
  const place = document.getElementById("save-problem");
  if (!failed.length) place.replaceChildren();
  else {
    const notice = part("notice-failed");
    const which = failed.map((question) => question.number).join(", ");
    notice.querySelector("[data-words]").textContent = failed.length === 1 ? `The answer to question ${which} is not saved.` : `The answers to questions ${which} are not saved.`;
    notice.querySelector("[data-why]").textContent = failed[0].failed;
    notice.querySelector("[data-go]").href = `#${failed[0].row.id}`;
    place.replaceChildren(notice);
  }
  document.getElementById("save-now").textContent = saves();
  clearTimeout(telling);
  telling = setTimeout(announce, Math.max(0, toldAt + 2000 - Date.now())); // at most one announcement in 2 s
}

function announce() {
  toldAt = Date.now();
  document.getElementById("save-words").textContent = saves();
}

function saves() {
  const open = questions.filter(unsaved).length;
  const saved = questions.filter((question) => question.saved !== "" && !unsaved(question)).length;
  return `${saved} ${saved === 1 ? "answer" : "answers"} saved${open ? `, ${open} not saved` : ""}`;
}

function answer(question, code) {
  undo.push([question, question.told]);
  choose(question, code);
  question.conflict = null;
  save(question);
}

function makeCurrent(question, focus) {
  if (!question) return;
  if (current) current.row.classList.remove("question--current");
  current = question;
  question.row.classList.add("question--current");
  if (!focus) return;
  (question.radios.find((radio) => radio.checked) || question.row.querySelector("input:not([type=hidden]):not([value=declined]), textarea, select")).focus();
  question.row.scrollIntoView({ block: "nearest" });
}

function onKey(event) {
  pointing = false;
  if (!keysOn || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("textarea, select, input:not([type=radio])")) return;
  const at = questions.indexOf(current);
  if (/^\d$/.test(event.key)) {
    const radio = current && current.row.querySelector(`[data-key="${event.key}"]`) || current && !current.row.querySelector("[data-key]") && current.radios.filter((one) => one.value !== "declined")[event.key];
    if (!radio) return;
    answer(current, radio.value);
    makeCurrent(questions[at + 1] || current, true);
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    makeCurrent(questions[at + (event.key === "ArrowDown" ? 1 : -1)], true);
  } else if (event.key === "u" || event.key === "U") {
    const last = undo.pop();
    if (!last) return;
    choose(last[0], last[1]);
    save(last[0]);
    makeCurrent(last[0], true);
  } else return;
  event.preventDefault();
}

// Words and options of one answer exclude each other, unless several may be given; so do an answer and declining it.
function onTyping(question, event) {
  const { row } = question, field = event.target;
  const decline = row.querySelector("[data-decline]"), other = row.querySelector("[data-other]");
  if (decline && field !== decline && written(row) === "declined") decline.checked = false;
  if (other && field.type === "radio") other.value = "";
  if (field === other && other.value.trim()) row.querySelectorAll("input[type=radio]").forEach((radio) => { radio.checked = false; });
  question.value = written(row);
}

function onClick(event) {
  const question = questions.find((one) => one.row.contains(event.target));
  if (event.target.closest("[data-retry]")) save(question);
  const take = event.target.closest("[data-take]");
  if (!take) return;
  const theirs = question.conflict;
  question.conflict = null;
  question.seen.value = theirs.version;
  if (take.dataset.take === "theirs") {
    choose(question, theirs.code);
    question.saved = theirs.code;
    show(question, "state-saved", theirs.words);
    tell();
  } else save(question);
}

function clock() {
  return new Date().toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

questions.forEach((question) => {
  const before = question.typed ? { value: question.row.dataset.saved } : question.radios.find((radio) => radio.defaultChecked);
  question.value = value(question); // a browser may restore what the server never had
  question.saved = question.told = before ? before.value : "";
  if (Number(question.seen.value) === 0) question.saved = "";
  question.row.addEventListener("pointerdown", () => { pointing = true; makeCurrent(question); });
  if (question.typed) {
    question.row.addEventListener("input", (event) => onTyping(question, event));
    question.row.addEventListener("change", (event) => { onTyping(question, event); answer(question, question.value); });
  } else question.radios.forEach((radio) => radio.addEventListener("change", () => {
    answer(question, radio.value);
    makeCurrent(pointing && questions[questions.indexOf(question) + 1] || question); // the next number key is for the next
  }));
  question.row.addEventListener("focusin", () => { if (!pointing) makeCurrent(question); });
  if (question.value !== question.saved) save(question);
});
makeCurrent(questions.find((question) => question.value === ""));
document.addEventListener("keydown", onKey);
form.addEventListener("click", onClick);
form.addEventListener("submit", () => { leaving = true; form.elements.sequence.value = sequence; sequence += 1; });
window.addEventListener("pageshow", () => { leaving = false; });
window.addEventListener("online", () => questions.filter((question) => question.failed).forEach(save));
window.addEventListener("beforeunload", (event) => { if (!leaving && questions.some(unsaved)) event.preventDefault(); });

const keys = document.getElementById("keys-switch");
document.getElementById("keys").hidden = false;
keys.addEventListener("click", () => {
  keysOn = !keysOn;
  keys.setAttribute("aria-pressed", String(keysOn));
  keys.textContent = keysOn ? "Turn keys off" : "Turn keys on";
});
