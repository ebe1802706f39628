// Lists the encounters of a patient as soon as the patient is picked; without script a button does it.
const form = document.getElementById("launch");
const list = document.getElementById("list-encounters");
list.hidden = true;
document.getElementById("patient").addEventListener("change", () => form.requestSubmit(list));
