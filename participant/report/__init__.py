"""The report of a record for people: what the record says, and one page of HTML that shows it."""
