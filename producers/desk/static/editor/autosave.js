// Keeps what was typed and not saved: at most 4 seconds after a key, the form as it is goes to the desk.
// The same request says that the page is open here, and learns who else has it open.
import { NotAdmitted, post } from "./server.js";

const AFTER_KEY_MS = 4_000;
const WAIT_MS = 5_000;
const PRESENCE_MS = 25_000;
const ACTIVE_MS = 5 * 60_000;

export class Autosave {
  constructor(place) {
    this.place = place;
    this.form = document.querySelector("textarea[data-visual-editor]").form;
    this.said = place.querySelector("[data-said]");
    this.others = place.querySelector("[data-others]");
    this.keepWay = { path: place.dataset.keepPath, seal: place.dataset.keepSeal };
    this.presenceWay = { path: place.dataset.presencePath, seal: place.dataset.presenceSeal };
    this.activeAt = Date.now();
    this.listen();
    this.present();
  }

  listen() {
    this.form.addEventListener("input", () => this.typed());
    this.form.addEventListener("submit", (event) => this.stop(event));
    document.addEventListener("visibilitychange", () => document.hidden && this.keepNow());
    for (const name of ["keydown", "pointerdown"]) {
      document.addEventListener(name, () => (this.activeAt = Date.now()), { passive: true });
    }
    setInterval(() => this.present(), PRESENCE_MS);
  }

  // Typing goes on after a submission that was stopped or refused. A page whose session is over
  // keeps nothing any more: its seals are no other session's.
  typed() {
    if (this.isOver) return;
    this.isStopped = false;
    this.timer ??= setTimeout(() => this.keep(), AFTER_KEY_MS);
  }

  // A submission waits for what is just being kept: stored behind the save, it would be offered
  // as not saved.
  stop(event) {
    this.forgetTimer();
    this.isStopped = true;
    if (!this.keeping) return;
    event.preventDefault();
    if (this.isWaiting) return;
    this.isWaiting = true;
    const submit = () => {
      this.isWaiting = false;
      this.form.requestSubmit(event.submitter);
    };
    this.keeping.then(submit, submit);
    const { aborter } = this;
    setTimeout(() => aborter.abort(), WAIT_MS);
  }

  keepNow() {
    if (!this.timer) return;
    this.forgetTimer();
    this.keep();
  }

  forgetTimer() {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  async keep() {
    this.forgetTimer();
    if (this.isStopped) return;
    const fields = [...new FormData(this.form)].filter(([name, value]) => name !== "seal" && typeof value === "string");
    this.aborter = new AbortController();
    const keeping = post(this.keepWay, fields, { signal: this.aborter.signal });
    this.keeping = keeping;
    try {
      const answer = await keeping;
      this.said.textContent = answer.said;
      this.show(answer.others);
    } catch (error) {
      this.isOver = error instanceof NotAdmitted;
      this.said.textContent = this.isOver ? this.said.dataset.over : this.said.dataset.failed;
      this.typed();
    } finally {
      if (this.keeping === keeping) this.keeping = undefined;
    }
  }

  // Nobody at the screen for five minutes: the page does not keep the session alive.
  async present() {
    if (document.hidden || Date.now() - this.activeAt > ACTIVE_MS) return;
    try {
      this.show((await post(this.presenceWay, {})).others);
    } catch {
      // The next request says it; what was typed stays on the page.
    }
  }

  show(others) {
    this.others.hidden = others.length === 0;
    this.others.querySelector("ul").replaceChildren(
      ...others.map((text) => Object.assign(document.createElement("li"), { textContent: text })),
    );
  }
}
