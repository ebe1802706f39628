// The overview, improved: results are fetched when the page stands, and number keys start an instrument.
"use strict";

const results = document.querySelector("[data-fragment]");
fetch(results.dataset.fragment, { credentials: "same-origin", headers: { Accept: "text/html" }, signal: AbortSignal.timeout(30000) })
  .then((reply) => (reply.ok ? reply.text() : Promise.reject(new Error())))
  .then((html) => {
    const head = results.firstElementChild;
    results.replaceChildren(head, ...new DOMParser().parseFromString(html, "text/html").body.childNodes);
  })
  .catch(() => {
    results.querySelector("[data-wait] span").textContent = "Earlier results could not be read just now. You can start all the same.";
  });

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  const button = /^[1-9]$/.test(event.key) && document.querySelector(`button[data-key="${event.key}"]`);
  if (button) button.click();
});
