// Sends the event in a file with the npm package `nats` and nothing of Loa's.
//
//     npm install nats
//     LOA_NATS_URL=... node publish.mjs van-phong-bo first-event.json [binary]
//
// The address of the bus has a password, so it is no argument: those are shown to every user of the
// machine. `var/run/ready.json` has that of a running Loa (`nats_url`).

import { connect, headers } from "nats";
import { readFileSync } from "node:fs";

const [unit, file, mode = "structured"] = process.argv.slice(2);
const address = new URL(process.env.LOA_NATS_URL);
const [user, pass] = [address.username, address.password].map(decodeURIComponent);
const event = JSON.parse(readFileSync(file, "utf8"));
const kind = event.type.split(".").at(-2); // submitted, corrected, withdrawn

// Attributes travel in headers percent-encoded: everything but visible ASCII, and `"` and `%`.
const encoded = (value) =>
  String(value).replace(/[^\x21-\x7e]|["%]/gu, (character) => encodeURIComponent(character));

const head = headers();
let body = JSON.stringify(event);
if (mode === "binary") {
  const { data, ...attributes } = event;
  for (const [name, value] of Object.entries(attributes)) head.set(`ce-${name}`, encoded(value));
  body = JSON.stringify(data);
} else {
  head.set("Content-Type", "application/cloudevents+json");
}

const connection = await connect({ servers: address.host, user, pass, name: unit });
try {
  const stream = connection.jetstream();
  const msgID = `${event.source}|${event.id}`; // a repeat within ten minutes is stored once
  const answer = await stream.publish(`content.${unit}.${kind}`, body, { msgID, headers: head });
  console.log(`${answer.stream} #${answer.seq}${answer.duplicate ? ", stored before" : ""}`);
} finally {
  await connection.close();
}
