// Dialogs for a link and for a picture; their words are the page's.
import { TextSelection } from "../vendor/prosemirror-state.js";
import { isLink, isPicture, schema } from "./schema.js";

const { link } = schema.marks;

class Dialog {
  constructor(element, view, isRight) {
    Object.assign(this, { element, view, isRight });
    this.fields = Object.fromEntries(
      [...element.querySelectorAll("input")].map((input) => [input.dataset.field, input]),
    );
    this.wrong = element.querySelector("[data-wrong]");
    element.addEventListener("keydown", (event) => this.key(event));
    this.on("accept", () => this.accept());
    this.on("cancel", () => this.close());
    this.on("remove", () => this.remove());
    element.addEventListener("close", () => view.focus());
  }

  on(name, act) {
    this.element.querySelector(`[data-press="${name}"]`)?.addEventListener("click", act);
  }

  key(event) {
    if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
    event.preventDefault();
    this.accept();
  }

  open(values) {
    for (const [name, input] of Object.entries(this.fields)) input.value = values[name] ?? "";
    this.wrong.hidden = true;
    this.element.showModal();
  }

  close() {
    this.element.close();
  }

  accept() {
    const address = this.fields.address.value.trim();
    this.wrong.hidden = this.isRight(address);
    if (!this.wrong.hidden) {
      this.fields.address.focus();
      return;
    }
    this.close();
    this.apply(address);
  }
}

export class LinkDialog extends Dialog {
  constructor(element, view) {
    super(element, view, isLink);
  }

  show() {
    this.range = linkAt(this.view.state) ?? this.view.state.selection;
    const { from, to, href } = this.range;
    this.open({ address: href ?? "", words: this.view.state.doc.textBetween(from, to) });
  }

  // A link to an uploaded file, behind what is selected.
  insert({ url, title }) {
    const { to } = this.view.state.selection;
    this.range = { from: to, to };
    this.open({ address: url, words: title });
  }

  apply(href) {
    const { from, to } = this.range;
    const { doc, tr } = this.view.state;
    const words = this.fields.words.value.trim() || href;
    if (words !== doc.textBetween(from, to)) tr.insertText(words, from, to);
    const end = words === doc.textBetween(from, to) ? to : from + words.length;
    tr.removeMark(from, end, link).addMark(from, end, link.create({ href }));
    this.view.dispatch(tr.setSelection(TextSelection.create(tr.doc, end)).scrollIntoView());
  }

  remove() {
    this.close();
    const { from, to } = this.range;
    this.view.dispatch(this.view.state.tr.removeMark(from, to, link));
  }
}

// The whole link in which the cursor stands.
function linkAt(state) {
  const { $from, empty } = state.selection;
  const found = link.isInSet($from.marks()) ?? ($from.nodeAfter && link.isInSet($from.nodeAfter.marks));
  if (!empty || !found) return null;
  let from = $from.pos;
  let to = $from.pos;
  $from.parent.forEach((node, offset) => {
    const start = $from.start() + offset;
    const isInside = start <= $from.pos && $from.pos <= start + node.nodeSize;
    if (!isInside || !found.isInSet(node.marks)) return;
    from = Math.min(from, start);
    to = Math.max(to, start + node.nodeSize);
  });
  return { from, to, href: found.attrs.href };
}

export class PictureDialog extends Dialog {
  constructor(element, view) {
    super(element, view, isPicture);
  }

  show() {
    const { node } = this.view.state.selection;
    this.open(node?.type === schema.nodes.image ? { address: node.attrs.src, words: node.attrs.alt } : {});
  }

  insert({ url }) {
    this.open({ address: url });
  }

  apply(src) {
    const picture = schema.nodes.image.create({ src, alt: this.fields.words.value.trim() });
    this.view.dispatch(this.view.state.tr.replaceSelectionWith(picture, false).scrollIntoView());
  }
}
