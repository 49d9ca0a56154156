"""What Loa keeps beside its Zalo channel: the people of whom Zalo tells, the covers it fetches."""
