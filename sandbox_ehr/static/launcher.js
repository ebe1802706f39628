// Lists the encounters of a patient as soon as the patient is picked; without script a button does it.
// In place: a page that loads anew under the keyboard would break off the typing of a name.
const patient = document.getElementById("patient");
const encounters = document.getElementById("encounter");
const list = document.getElementById("list-encounters");
list.hidden = true;
patient.addEventListener("change", async () => {
  const asked = patient.value;
  const reply = await fetch(`${list.formAction}?${new URLSearchParams({ patient: asked })}`);
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  if (patient.value !== asked) return;
  encounters.replaceChildren(...page.getElementById("encounter").children);
  encounters.selectedIndex = 0; // options that move from one list to another stay selected
});
