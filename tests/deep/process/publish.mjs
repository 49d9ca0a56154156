// Publishes the event on standard input with the npm package `nats` and nothing else.
// node publish.mjs URL SUBJECT structured|binary   prints the stream's acknowledgement

import { connect, headers } from "nats";
import { readFileSync } from "node:fs";

const [url, subject, mode] = process.argv.slice(2);
const event = JSON.parse(readFileSync(0, "utf8"));

// The NATS binding of CloudEvents percent-encodes what is not visible ASCII, space, " and %.
const encoded = (value) =>
  String(value).replace(/[^\x21-\x7e]|["%]/gu, (character) => encodeURIComponent(character));

function message() {
  const said = headers();
  if (mode === "structured") {
    said.set("Content-Type", "application/cloudevents+json");
    return [JSON.stringify(event), said];
  }
  const { data, ...attributes } = event;
  for (const [name, value] of Object.entries(attributes)) said.set(`ce-${name}`, encoded(value));
  return [JSON.stringify(data), said];
}

const { host, username: user, password: pass } = new URL(url);
const connection = await connect({ servers: host, user, pass, name: "cms" });
try {
  const [body, said] = message();
  const id = `${event.source}|${event.id}`;
  const answer = await connection.jetstream().publish(subject, body, { msgID: id, headers: said });
  console.log(JSON.stringify({ stream: answer.stream, seq: answer.seq, duplicate: answer.duplicate }));
} finally {
  await connection.close();
}
