// Pasting: HTML of the clipboard goes to the desk before the page parses it, and comes back clean.
// Parsed here, each of its inline styles would be a breach of the policy.
import { Plugin, PluginKey, TextSelection } from "../vendor/prosemirror-state.js";
import { post, Refused } from "./server.js";

const LONGEST = 2_000_000;
const place = new PluginKey("place of what is pasted");

// `ways.paste`: where to; `say`: words of the page beside the editor; `tell`: what was lost.
export function pasting(ways, say, tell) {
  return new Plugin({
    key: place,
    state: { init: () => null, apply: follow },
    props: { handleDOMEvents: { paste: (view, event) => take(view, event, { ways, say, tell }) } },
  });
}

// The place moves with what is typed before it while the desk converts.
function follow(transaction, known) {
  const set = transaction.getMeta(place);
  if (set !== undefined) return set;
  return known && { from: transaction.mapping.map(known.from, -1), to: transaction.mapping.map(known.to) };
}

function take(view, event, page) {
  const html = event.clipboardData?.getData("text/html") ?? "";
  const isOwn = html.includes("data-pm-slice");
  if (!html || isOwn || place.getState(view.state)) return false;
  event.preventDefault();
  const text = event.clipboardData.getData("text/plain");
  convert(view, html, text, page);
  return true;
}

async function convert(view, html, text, { ways, say, tell }) {
  const { from, to } = view.state.selection;
  view.dispatch(view.state.tr.setMeta(place, { from, to }));
  tell([]);
  say("pasting");
  try {
    if (html.length > LONGEST) throw new Error("too long");
    const answer = await post(ways.paste, { html });
    insert(view, () => view.pasteHTML(answer.html));
    say("");
    tell(answer.losses);
  } catch (error) {
    insert(view, () => view.pasteText(text));
    say("plain");
    tell(error instanceof Refused ? [error.message] : []);
  }
}

function insert(view, paste) {
  const { from, to } = place.getState(view.state);
  const { doc, tr } = view.state;
  view.dispatch(tr.setMeta(place, null).setSelection(TextSelection.between(doc.resolve(from), doc.resolve(to))));
  paste();
}
