// Keys: none is a trap. Tab moves between cells of a table, and out of the editor everywhere else.
import { baseKeymap, chainCommands } from "../vendor/prosemirror-commands.js";
import { keymap } from "../vendor/prosemirror-keymap.js";
import { splitListItem } from "../vendor/prosemirror-schema-list.js";
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
  Tab: goToNextCell(1),
  "Shift-Tab": goToNextCell(-1),
};

// `more`: keys that need the page, such as the one to the toolbar.
export function keys(more) {
  return [keymap({ ...own, ...more }), keymap({ ...baseKeymap, Enter: chainCommands(inCell, baseKeymap.Enter) })];
}

// A cell is one line: Enter goes to the next cell below, and splits nothing.
function inCell(state) {
  return ["table_cell", "table_header"].includes(state.selection.$from.parent.type.name);
}
