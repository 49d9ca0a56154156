// A picture in the editor: shown if the desk itself serves it, otherwise named by its words.
// The policy lets no picture of another host in. `folder`: of uploads on the portal.

export function pictureView(label, folder) {
  return ({ attrs }) => {
    const path = attrs.src.startsWith(folder) ? new URL(attrs.src).pathname : attrs.src;
    return { dom: path.startsWith("/") ? shown(path, attrs.alt) : named(attrs, label) };
  };
}

function shown(src, alt) {
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
