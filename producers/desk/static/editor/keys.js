// Keys: none is a trap. Tab moves between cells of a table, and out of the editor everywhere else
// and after Escape.
import { baseKeymap, chainCommands } from "../vendor/prosemirror-commands.js";
import { keymap } from "../vendor/prosemirror-keymap.js";
import { splitListItem } from "../vendor/prosemirror-schema-list.js";
import { Plugin } from "../vendor/prosemirror-state.js";
import { goToNextCell } from "../vendor/prosemirror-tables.js";
import { breakLine, commands } from "./commands.js";
import { schema } from "./schema.js";

const own = {
  "Mod-z": commands.undo.run,
  "Mod-y": commands.redo.run,
  "Mod-Shift-z": commands.redo.run,
  "Mod-b": commands.strong.run,
  "Mod-i": commands.em.run,
  "Mod-Alt-0": commands.paragraph.run,
  "Mod-Alt-2": commands.heading2.run,
  "Mod-Alt-3": commands.heading3.run,
  "Mod-Alt-4": commands.heading4.run,
  "Mod-Shift-7": commands.numbers.run,
  "Mod-Shift-8": commands.bullets.run,
  "Mod-]": commands.indent.run,
  "Mod-[": commands.outdent.run,
  "Shift-Enter": breakLine,
  Enter: splitListItem(schema.nodes.list_item),
};

// `more`: keys that need the page, such as the one to the toolbar.
export function keys(more) {
  const base = { ...baseKeymap, Enter: chainCommands(inCell, baseKeymap.Enter) };
  return [cells(), keymap({ ...own, ...more }), keymap(base)];
}

// Tab goes to the next cell of a table. Escape lets it leave, until another key is pressed.
function cells() {
  let isLeaving = false;
  const handleKeyDown = (view, { key, shiftKey }) => {
    if (key === "Tab") return !isLeaving && goToNextCell(shiftKey ? -1 : 1)(view.state, view.dispatch);
    if (key !== "Shift") isLeaving = key === "Escape";
    return false;
  };
  return new Plugin({ props: { handleKeyDown } });
}

// A cell is one line: Enter goes to the next cell below, and splits nothing.
function inCell(state) {
  return ["table_cell", "table_header"].includes(state.selection.$from.parent.type.name);
}
