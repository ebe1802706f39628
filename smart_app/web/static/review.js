// The review, improved: an edited note is not left by mistake, and a blocked signature leads to what blocks it.
"use strict";

const note = document.getElementById("note");
let leaving = false;
if (note) {
  const changed = () => note.value !== note.defaultValue;
  const state = document.querySelector("[data-note-state]");
  const before = state.textContent;
  note.addEventListener("input", () => { state.textContent = changed() ? "Changed, not saved" : before; });
  document.addEventListener("submit", () => { leaving = true; });
  window.addEventListener("pageshow", () => { leaving = false; });
  window.addEventListener("beforeunload", (event) => { if (!leaving && changed()) event.preventDefault(); });
}
document.querySelectorAll("button[aria-disabled=true]").forEach((button) => button.addEventListener("click", (event) => {
  event.preventDefault();
  const why = document.querySelector("#sign-why a");
  if (why) why.focus();
}));
