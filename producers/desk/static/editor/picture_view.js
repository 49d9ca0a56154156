// A picture in the editor: shown if the desk itself serves it, otherwise named by its words.
// The policy lets no picture of another host in.

export function pictureView(label) {
  return (node) => ({ dom: node.attrs.src.startsWith("/") ? shown(node.attrs) : named(node.attrs, label) });
}

function shown({ src, alt }) {
  const image = document.createElement("img");
  Object.assign(image, { src, alt });
  return image;
}

function named({ src, alt }, label) {
  const frame = document.createElement("span");
  frame.className = "picture";
  frame.title = src;
  frame.textContent = `${label}: ${alt || src}`;
  return frame;
}
