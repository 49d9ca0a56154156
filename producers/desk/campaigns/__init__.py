"""Pages of campaigns: all of them, a proposal, and a plan beside what is done."""
