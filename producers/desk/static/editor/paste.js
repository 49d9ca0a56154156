// Pasting: HTML of the clipboard goes to the desk before the page parses it, and comes back clean.
// Parsed here, each of its inline styles would be a breach of the policy.
import { Plugin, PluginKey, Selection } from "../vendor/prosemirror-state.js";
import { post, Refused } from "./server.js";

const LONGEST = 2_000_000;
const places = new PluginKey("places of what is pasted");

// `ways.paste`: where to; `say`: words of the page beside the editor; `tell`: what was lost.
export function pasting(ways, say, tell) {
  const pastes = new Pastes(ways, say, tell);
  return new Plugin({
    key: places,
    state: { init: () => new Map(), apply: follow },
    props: { handleDOMEvents: { paste: (view, event) => pastes.take(view, event) } },
  });
}

// A place moves with what is typed before it; what is typed there comes behind, earlier pastes before.
function follow(transaction, known) {
  const side = transaction.getMeta("paste") ? 1 : -1;
  const moved = new Map([...known].map(([key, at]) => [key, transaction.mapping.map(at, side)]));
  transaction.getMeta(places)?.(moved);
  return moved;
}

class Pastes {
  constructor(ways, say, tell) {
    Object.assign(this, { ways, say, tell, waiting: 0, last: Promise.resolve() });
  }

  // Pastes that come while one converts wait for it, each for its own place.
  take(view, event) {
    const html = event.clipboardData?.getData("text/html") ?? "";
    if (!html || html.includes("data-pm-slice")) return false;
    event.preventDefault();
    const paste = { html, text: event.clipboardData.getData("text/plain"), key: hold(view) };
    if (!this.waiting++) this.begin();
    this.last = this.last.then(() => this.convert(view, paste));
    return true;
  }

  begin() {
    this.losses = [];
    this.said = "";
    this.tell([]);
    this.say("pasting");
  }

  async convert(view, { html, text, key }) {
    try {
      if (html.length > LONGEST) throw new Error("too long");
      const answer = await post(this.ways.paste, { html });
      insert(view, key, () => view.pasteHTML(answer.html));
      this.losses.push(...answer.losses);
    } catch (error) {
      insert(view, key, () => view.pasteText(text));
      this.said = "plain";
      if (error instanceof Refused) this.losses.push(error.message);
    }
    this.waiting -= 1;
    this.say(this.waiting ? "pasting" : this.said);
    this.tell(this.losses);
  }
}

// Take what is selected away, and keep the place.
function hold(view) {
  const key = Symbol("paste");
  const tr = view.state.tr.deleteSelection();
  view.dispatch(tr.setMeta(places, (known) => known.set(key, tr.selection.from)));
  return key;
}

function insert(view, key, paste) {
  const { doc, tr } = view.state;
  const at = doc.resolve(places.getState(view.state).get(key));
  view.dispatch(tr.setMeta(places, (known) => known.delete(key)).setSelection(Selection.near(at)));
  paste();
}
