// Dragging an item to another day opens its form with that day; nothing is changed before it is sent.
const DRAGGED = "text/x-item";

for (const entry of document.querySelectorAll("[data-item]")) {
  entry.draggable = true;
  entry.addEventListener("dragstart", (event) => {
    event.dataTransfer.setData(DRAGGED, entry.dataset.item);
    event.dataTransfer.effectAllowed = "move";
  });
}

for (const day of document.querySelectorAll("[data-day]")) {
  day.addEventListener("dragover", (event) => {
    if (event.dataTransfer.types.includes(DRAGGED)) event.preventDefault();
  });
  day.addEventListener("drop", (event) => {
    event.preventDefault();
    const item = encodeURIComponent(event.dataTransfer.getData(DRAGGED));
    location.assign(`/tin/${item}?ngay=${day.dataset.day}#doi-gio`);
  });
}
