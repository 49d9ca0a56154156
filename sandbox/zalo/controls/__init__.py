"""The sandbox's own controls under `/_sandbox`: faults, clock, rules, people, webhook."""
