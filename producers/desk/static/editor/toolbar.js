// The toolbar of the page's template, by the WAI-ARIA pattern: one stop of Tab, arrows between buttons.
import { commands } from "./commands.js";

const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

export class Toolbar {
  constructor(element, own) {
    this.element = element;
    this.own = own; // actions of the page: `link`, `image`, `source`
    this.buttons = [...element.querySelectorAll("button[data-command]")];
    this.stop(this.buttons[0]);
    element.addEventListener("keydown", (event) => this.move(event));
    element.addEventListener("click", (event) => this.press(event));
    element.addEventListener("mousedown", (event) => event.preventDefault());
  }

  attach(view) {
    this.view = view;
    this.show(view.state);
  }

  focus() {
    this.current.focus();
  }

  stop(button) {
    this.current = button;
    for (const one of this.buttons) one.tabIndex = one === button ? 0 : -1;
  }

  move(event) {
    if (event.key === "Escape") this.view.focus();
    const last = this.buttons.length - 1;
    const at = this.buttons.indexOf(document.activeElement);
    const step = STEPS[event.key];
    const next = { Home: 0, End: last }[event.key] ?? (step && (at + step + last + 1) % (last + 1));
    if (next === undefined) return;
    event.preventDefault();
    this.stop(this.buttons[next]);
    this.focus();
  }

  press(event) {
    const button = event.target.closest("button[data-command]");
    if (!button || button.getAttribute("aria-disabled") === "true") return;
    this.stop(button);
    const name = button.dataset.command;
    if (this.own[name]) {
      this.own[name](button);
      return;
    }
    commands[name].run(this.view.state, this.view.dispatch, this.view);
    this.view.focus();
  }

  show(state) {
    for (const button of this.buttons) {
      const command = commands[button.dataset.command];
      if (!command) continue;
      const isOn = Boolean(command.on?.(state));
      button.setAttribute("aria-disabled", String(!isOn && !command.run(state)));
      if (command.on) button.setAttribute("aria-pressed", String(isOn));
    }
  }
}
