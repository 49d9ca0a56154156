"""The delivery ledger: rules (`entry`, `moves`, `cursor`), text form (`codec`), `store`."""
