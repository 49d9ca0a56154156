// The visual editor of `<textarea data-visual-editor>`. Without this script the field is Markdown.
import { history } from "../vendor/prosemirror-history.js";
import { EditorState, Plugin } from "../vendor/prosemirror-state.js";
import { tableEditing } from "../vendor/prosemirror-tables.js";
import { EditorView } from "../vendor/prosemirror-view.js";
import { Autosave } from "./autosave.js";
import { LinkDialog, PictureDialog } from "./dialogs.js";
import { read, readHtml, writeHtml } from "./document.js";
import { keys } from "./keys.js";
import { pasting } from "./paste.js";
import { pictureView } from "./picture_view.js";
import { schema } from "./schema.js";
import { post, Refused } from "./server.js";
import { Toolbar } from "./toolbar.js";

// One field, as visual text or as Markdown. `unchanged`: the document that the field's Markdown
// stands for; as long as it is shown, the field is sent as it came.
class Editor {
  constructor(place) {
    this.place = place;
    this.field = place.querySelector("textarea[data-visual-editor]");
    this.way = (name) => ({ path: place.dataset[`${name}Path`], seal: place.dataset[`${name}Seal`] });
    this.parts = place.querySelector("template[data-parts]").content.cloneNode(true);
    this.said = this.parts.querySelector("[data-said]");
    this.lost = this.parts.querySelector("[data-lost]");
    this.hint = place.querySelector("[data-visual-hint]");
    this.plainHint = this.hint.textContent;
    this.mount();
    this.field.form.addEventListener("formdata", (event) => this.fill(event.formData));
    this.field.addEventListener("insert-file", (event) => this.insert(event.detail));
  }

  mount() {
    const content = read(this.place.querySelector("template[data-content]").content);
    const own = { link: () => this.link.show(), image: () => this.picture.show(), source: () => this.turn() };
    const [linkDialog, pictureDialog] = this.parts.querySelectorAll("dialog");
    this.toolbar = new Toolbar(this.parts.querySelector("[role=toolbar]"), own);
    this.frame = this.parts.querySelector("[data-frame]");
    this.view = new EditorView(this.frame, this.options(content));
    this.link = new LinkDialog(linkDialog, this.view);
    this.picture = new PictureDialog(pictureDialog, this.view);
    this.unchanged = this.view.state.doc;
    document.body.append(linkDialog, pictureDialog);
    this.toolbar.attach(this.view);
    this.field.before(this.parts);
    this.showVisual(true);
  }

  options(content) {
    const { id } = this.field;
    const { pictureLabel, uploadFolder } = this.place.dataset;
    const label = document.querySelector(`label[for="${id}"]`);
    label.id ||= `${id}-nhan`;
    label.addEventListener("click", () => this.isVisual && this.view.focus());
    const described = this.field.getAttribute("aria-describedby");
    const attributes = { role: "textbox", "aria-multiline": "true", "aria-labelledby": label.id };
    if (described) attributes["aria-describedby"] = described;
    return {
      state: this.state(content),
      attributes,
      nodeViews: { image: pictureView(pictureLabel, uploadFolder) },
    };
  }

  state(doc) {
    const show = new Plugin({ view: () => ({ update: (view, before) => this.onUpdate(view, before) }) });
    const ways = { paste: this.way("paste") };
    const paste = pasting(ways, (name) => this.say(name), (losses) => this.tell(losses));
    const more = {
      "Alt-F10": () => (this.toolbar.focus(), true),
      "Mod-k": () => (this.link.show(), true),
    };
    const plugins = [history(), ...keys(more), tableEditing(), paste, show];
    return EditorState.create({ schema, doc, plugins });
  }

  onUpdate(view, before) {
    this.toolbar.show(view.state);
    if (!view.state.doc.eq(before.doc)) this.field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  get isChanged() {
    return this.isVisual && !this.view.state.doc.eq(this.unchanged);
  }

  // What the form sends: the visual text where it was changed, or the Markdown as it is.
  // Files stay last: the desk shows again what comes before them where it refuses a form.
  fill(data) {
    if (!this.isChanged) return;
    const files = [...data].filter(([, value]) => value instanceof File);
    for (const [name] of files) data.delete(name);
    data.delete(this.field.name);
    data.set(`${this.field.name}_html`, writeHtml(this.view.state.doc));
    for (const [name, file] of files) data.append(name, file);
  }

  // Put an uploaded file where the cursor is: the dialog asks for the words of a picture or link.
  insert(file) {
    if (this.isVisual) {
      (file.is_picture ? this.picture : this.link).insert(file);
      return;
    }
    const { selectionStart, selectionEnd } = this.field;
    this.field.setRangeText(file.markdown, selectionStart, selectionEnd, "end");
    this.field.dispatchEvent(new Event("input", { bubbles: true }));
    this.field.focus();
  }

  async turn() {
    try {
      await (this.isVisual ? this.toSource() : this.toVisual());
      this.say("");
    } catch (error) {
      this.say("unturned");
      this.tell(error instanceof Refused ? [error.message] : []);
    }
  }

  async toSource() {
    if (this.isChanged) {
      const { doc } = this.view.state;
      this.field.value = (await post(this.way("turn"), { html: writeHtml(doc) })).markdown;
      this.unchanged = doc;
    }
    this.source = this.field.value;
    this.showVisual(false);
    this.field.focus();
  }

  async toVisual() {
    if (this.field.value !== this.source) {
      const { html } = await post(this.way("turn"), { markdown: this.field.value });
      const { doc, tr } = this.view.state;
      this.view.dispatch(tr.replaceWith(0, doc.content.size, readHtml(html).content));
      this.unchanged = this.view.state.doc;
    }
    this.showVisual(true);
    this.view.focus();
  }

  showVisual(isVisual) {
    this.isVisual = isVisual;
    this.field.hidden = isVisual;
    this.frame.hidden = !isVisual;
    this.hint.textContent = isVisual ? this.hint.dataset.visualHint : this.plainHint;
    for (const button of this.toolbar.buttons) {
      const isTurn = button.dataset.command === "source";
      if (isTurn) button.setAttribute("aria-pressed", String(!isVisual));
      button.hidden = !isVisual && !isTurn;
    }
    if (!isVisual) this.toolbar.stop(this.toolbar.buttons.find((one) => !one.hidden));
  }

  say(name) {
    this.said.textContent = name && this.said.dataset[name];
  }

  tell(losses) {
    this.lost.replaceChildren(...losses.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
    this.lost.closest("[data-losses]").hidden = losses.length === 0;
  }
}

for (const place of document.querySelectorAll("[data-editor]")) new Editor(place);
for (const place of document.querySelectorAll("[data-keep]")) new Autosave(place);
