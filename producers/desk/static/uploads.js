// A file that is sent from beside a text goes where the person says: cover, attachment or text.
// Without this script the form opens a page of its own, which says the file's address.

const field = (name) => document.querySelector(`[name="${CSS.escape(name)}"]`);

function show(input) {
  input.closest("details").open = true;
  input.focus();
}

// Fill in a field as typing would, so that the autosave keeps it.
function fill(input, value) {
  input.value = value;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

function useAsCover(file) {
  fill(field("cover.url"), file.url);
  show(field("cover.alt"));
}

// The first row of attachments without an address gets the file; false if all are taken.
function attach(file) {
  for (let number = 0; field(`attachments.${number}.url`); number += 1) {
    const address = field(`attachments.${number}.url`);
    if (address.value && address.value !== file.url) continue;
    const title = field(`attachments.${number}.title`);
    title.value ||= titleOf(file);
    fill(address, file.url);
    show(title);
    return true;
  }
  return false;
}

function titleOf(file) {
  return file.name.replace(/\.[a-z]+$/, "");
}

// The editor of the text, which listens for this, puts the file where its cursor is.
function insert(file) {
  const detail = { ...file, title: titleOf(file) };
  document.querySelector("[data-visual-editor]").dispatchEvent(new CustomEvent("insert-file", { detail }));
}

class UploadForm {
  constructor(place) {
    this.place = place;
    this.form = place.querySelector("form");
    this.said = place.querySelector("[data-said]");
    this.files = place.querySelector("[data-files]");
    this.form.removeAttribute("target");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
  }

  async send() {
    const [file] = this.form.querySelector("input[type=file]").files;
    if (file?.size > Number(this.place.dataset.max)) {
      this.say("tooLarge");
      return;
    }
    const button = this.form.querySelector("button");
    button.disabled = true;
    this.said.textContent = this.place.dataset.sending;
    try {
      await this.store();
    } catch {
      this.said.textContent = this.place.dataset.away;
    }
    button.disabled = false;
  }

  async store() {
    const options = { method: "POST", body: new FormData(this.form), headers: { Accept: "application/json" } };
    const answer = await fetch(this.form.action, options);
    const file = await answer.json();
    this.said.textContent = answer.ok ? this.place.dataset.done : file.error;
    if (!answer.ok) return;
    this.form.reset();
    this.add(file);
  }

  add(file) {
    const entry = document.createElement("li");
    entry.append(`${file.name} `);
    if (file.is_picture) entry.append(this.button("cover", () => useAsCover(file)), " ");
    entry.append(this.button("attach", () => attach(file) || this.say("full")));
    entry.append(" ", this.button("insert", () => insert(file)));
    this.files.append(entry);
    entry.querySelector("button").focus();
  }

  button(name, press) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "second", textContent: this.place.dataset[name] });
    button.addEventListener("click", press);
    return button;
  }

  say(name) {
    this.said.textContent = this.place.dataset[name];
  }
}

for (const place of document.querySelectorAll("[data-uploads]")) new UploadForm(place);
