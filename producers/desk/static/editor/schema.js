// What the contract's Markdown can say, and nothing else.
import { Schema } from "../vendor/prosemirror-model.js";
import { tableNodes } from "../vendor/prosemirror-tables.js";

const LINK = /^(https?:\/\/|mailto:|tel:|\/|#)/i;
const PICTURE = /^(https?:\/\/|\/)/i;
const ALIGNED = ["left", "right", "center"];

const simple = (tag) => ({ parseDOM: [{ tag }], toDOM: () => [tag, 0] });

const align = {
  default: null,
  getFromDOM: (cell) => (ALIGNED.includes(cell.getAttribute("align")) ? cell.getAttribute("align") : null),
  setDOMAttr: (value, attributes) => {
    if (value) attributes.align = value;
  },
};

const table = tableNodes({ tableGroup: "block", cellContent: "inline*", cellAttributes: { align } });

const nodes = {
  doc: { content: "block+" },
  paragraph: { group: "block", content: "(inline | hard_break)*", ...simple("p") },
  heading: {
    group: "block",
    content: "inline*",
    defining: true,
    attrs: { level: { default: 2 } },
    parseDOM: [1, 2, 3, 4, 5, 6].map((level) => ({ tag: `h${level}`, attrs: { level } })),
    toDOM: (node) => [`h${node.attrs.level}`, 0],
  },
  blockquote: { group: "block", content: "block+", defining: true, ...simple("blockquote") },
  bullet_list: { group: "block", content: "list_item+", ...simple("ul") },
  ordered_list: {
    group: "block",
    content: "list_item+",
    attrs: { order: { default: 1 } },
    parseDOM: [{ tag: "ol", getAttrs: (list) => ({ order: Number(list.getAttribute("start") ?? 1) }) }],
    toDOM: (node) => ["ol", node.attrs.order === 1 ? {} : { start: node.attrs.order }, 0],
  },
  list_item: { content: "block+", defining: true, ...simple("li") },
  code_block: {
    group: "block",
    content: "text*",
    marks: "",
    code: true,
    defining: true,
    parseDOM: [{ tag: "pre", preserveWhitespace: "full" }],
    toDOM: () => ["pre", ["code", 0]],
  },
  horizontal_rule: { group: "block", parseDOM: [{ tag: "hr" }], toDOM: () => ["hr"] },
  ...table,
  text: { group: "inline" },
  hard_break: { inline: true, selectable: false, parseDOM: [{ tag: "br" }], toDOM: () => ["br"] },
  image: {
    group: "inline",
    inline: true,
    attrs: { src: {}, alt: { default: "" } },
    parseDOM: [{ tag: "img[src]", getAttrs: (image) => pictureOf(image) }],
    toDOM: (node) => ["img", node.attrs],
  },
};

const marks = {
  link: {
    inclusive: false,
    attrs: { href: {} },
    parseDOM: [{ tag: "a[href]", getAttrs: (link) => linkOf(link) }],
    toDOM: (mark) => ["a", mark.attrs, 0],
  },
  em: { parseDOM: [{ tag: "em" }, { tag: "i" }], toDOM: () => ["em", 0] },
  strong: { parseDOM: [{ tag: "strong" }, { tag: "b" }], toDOM: () => ["strong", 0] },
  code: { excludes: "em strong code", parseDOM: [{ tag: "code" }], toDOM: () => ["code", 0] },
};

function pictureOf(image) {
  const src = image.getAttribute("src");
  return isPicture(src) && { src, alt: image.getAttribute("alt") ?? "" };
}

function linkOf(link) {
  const href = link.getAttribute("href");
  return isLink(href) && { href };
}

export const isLink = (address) => LINK.test(address);
export const isPicture = (address) => PICTURE.test(address);
export const schema = new Schema({ nodes, marks });
