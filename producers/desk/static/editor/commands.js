// What the buttons of the toolbar do, by the names that the page gives them.
import { chainCommands, exitCode, lift, setBlockType, toggleMark, wrapIn } from "../vendor/prosemirror-commands.js";
import { redo, undo } from "../vendor/prosemirror-history.js";
import { liftListItem, sinkListItem, wrapInList } from "../vendor/prosemirror-schema-list.js";
import { TextSelection } from "../vendor/prosemirror-state.js";
import * as tables from "../vendor/prosemirror-tables.js";
import { schema } from "./schema.js";

const { nodes, marks } = schema;

function within(state, type, attrs = {}) {
  const { $from } = state.selection;
  for (let depth = $from.depth; depth > 0; depth -= 1) {
    if ($from.node(depth).hasMarkup(type, { ...$from.node(depth).attrs, ...attrs })) return true;
  }
  return false;
}

function hasMark(state, type) {
  const { from, to, empty, $from } = state.selection;
  if (empty) return Boolean(type.isInSet(state.storedMarks ?? $from.marks()));
  return state.doc.rangeHasMark(from, to, type);
}

const list = (type) => ({
  run: (state, dispatch, view) =>
    (within(state, type) ? liftListItem(nodes.list_item) : wrapInList(type))(state, dispatch, view),
  on: (state) => within(state, type),
});

const mark = (type) => ({ run: toggleMark(type), on: (state) => hasMark(state, type) });

const heading = (level) => ({
  run: setBlockType(nodes.heading, { level }),
  on: (state) => within(state, nodes.heading, { level }),
});

function insertTable(state, dispatch) {
  if (within(state, nodes.table)) return false;
  const row = (type) => nodes.table_row.create(null, [type.createAndFill(), type.createAndFill()]);
  const rows = [row(nodes.table_header), row(nodes.table_cell), row(nodes.table_cell)];
  const tr = state.tr.replaceSelectionWith(nodes.table.create(null, rows));
  dispatch?.(tr.setSelection(inFirstHeader(tr.doc, state.selection.from)).scrollIntoView());
  return true;
}

function inFirstHeader(doc, from) {
  let found;
  doc.nodesBetween(Math.max(0, from - 1), doc.content.size, (node, position) => {
    if (node.type === nodes.table_header) found ??= position + 1;
    return found === undefined;
  });
  return TextSelection.create(doc, found);
}

// A table keeps its header row: rows are added below it and taken away behind it.
function isHeader(state) {
  return within(state, nodes.table_header);
}

const unlessHeader = (command) => (state, dispatch) => !isHeader(state) && command(state, dispatch);

function insertRule(state, dispatch) {
  dispatch?.(state.tr.replaceSelectionWith(nodes.horizontal_rule.create()).scrollIntoView());
  return !within(state, nodes.table);
}

const quote = {
  run: (state, dispatch) => (within(state, nodes.blockquote) ? lift : wrapIn(nodes.blockquote))(state, dispatch),
  on: (state) => within(state, nodes.blockquote),
};

export const breakLine = chainCommands(exitCode, (state, dispatch) => {
  if (!state.selection.$from.parent.type.contentMatch.matchType(nodes.hard_break)) return false;
  dispatch?.(state.tr.replaceSelectionWith(nodes.hard_break.create()).scrollIntoView());
  return true;
});

export const commands = {
  undo: { run: undo },
  redo: { run: redo },
  paragraph: { run: setBlockType(nodes.paragraph), on: (state) => state.selection.$from.parent.type === nodes.paragraph },
  heading2: heading(2),
  heading3: heading(3),
  heading4: heading(4),
  strong: mark(marks.strong),
  em: mark(marks.em),
  bullets: list(nodes.bullet_list),
  numbers: list(nodes.ordered_list),
  indent: { run: sinkListItem(nodes.list_item) },
  outdent: { run: liftListItem(nodes.list_item) },
  quote,
  rule: { run: insertRule },
  table: { run: insertTable },
  rowAfter: { run: tables.addRowAfter },
  columnAfter: { run: tables.addColumnAfter },
  rowDelete: { run: unlessHeader(tables.deleteRow) },
  columnDelete: { run: tables.deleteColumn },
  tableDelete: { run: tables.deleteTable },
};
