// HTML of the server as a document of the editor, and back. Both are parsed where nothing loads or runs.
import { DOMParser as Reader, DOMSerializer } from "../vendor/prosemirror-model.js";
import { schema } from "./schema.js";

export function read(root) {
  return Reader.fromSchema(schema).parse(root);
}

export function readHtml(html) {
  return read(new DOMParser().parseFromString(html, "text/html").body);
}

export function writeHtml(doc) {
  const inert = document.implementation.createHTMLDocument("");
  const place = inert.createElement("div");
  const options = { document: inert };
  place.append(DOMSerializer.fromSchema(schema).serializeFragment(doc.content, options));
  return place.innerHTML;
}
