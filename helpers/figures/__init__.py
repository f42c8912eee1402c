"""Floor 4. Figures: one style, panels, and the ledger of claims."""
