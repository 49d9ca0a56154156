/** The subjects of the bus that other systems use. */

export type ContentKind = "submitted" | "corrected" | "withdrawn";

/** Subject of a unit's content events. */
export function content(unit: string, kind: ContentKind): string {
  return `content.${unit}.${kind}`;
}

/** Subject of everything that is released of an item. */
export function publication(topic: string, contentId: string): string {
  return `publication.${topic}.${contentId}`;
}

/** Subject of a dossier's events inside Loa: units send them over HTTP alone. */
export function caseUpdated(unit: string): string {
  return `case.${unit}.updated`;
}
