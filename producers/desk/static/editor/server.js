// Requests to the desk, each with the seal that the page was given for its path.

export class Refused extends Error {}
export class NotAdmitted extends Error {}

// Post *fields* and return the answer's JSON. Throws Refused with the desk's own words,
// NotAdmitted for a page whose session is over, or Error.
export async function post(way, fields, more = {}) {
  const body = new URLSearchParams(fields);
  body.set("seal", way.seal);
  const answer = await fetch(way.path, { method: "POST", body, ...more });
  const isJson = (answer.headers.get("content-type") ?? "").startsWith("application/json");
  const said = isJson ? await answer.json() : {};
  if (answer.status === 403) throw new NotAdmitted("403");
  if (!answer.ok) throw said.message ? new Refused(said.message) : new Error(String(answer.status));
  return said;
}
