// Dragging an item before another one, or to the end of a section, presses the button that puts it there.
const DRAGGED = "text/x-entry";

function put(form, entry, section, before) {
  const button = document.createElement("button");
  button.name = "edit";
  button.value = `put:${entry}:${section}:${before}`;
  button.hidden = true;
  form.append(button);
  form.requestSubmit(button);
}

for (const entry of document.querySelectorAll("[data-entry]")) {
  const handle = entry.querySelector("h3");
  handle.draggable = true;
  handle.addEventListener("dragstart", (event) => {
    event.dataTransfer.setData(DRAGGED, entry.dataset.entry);
    event.dataTransfer.effectAllowed = "move";
  });
}

for (const section of document.querySelectorAll("[data-section]")) {
  section.addEventListener("dragover", (event) => {
    if (event.dataTransfer.types.includes(DRAGGED)) event.preventDefault();
  });
  section.addEventListener("drop", (event) => {
    event.preventDefault();
    const before = event.target.closest("[data-entry]")?.dataset.entry ?? "";
    const moved = event.dataTransfer.getData(DRAGGED);
    if (moved !== before) put(section.closest("form"), moved, section.dataset.section, before);
  });
}
