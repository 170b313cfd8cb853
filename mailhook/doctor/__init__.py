"""`mailhook doctor`: every peer tried, and what is found said in one sentence, with what to do.

What: `examine` runs the probes at once, each with a time-out of its own, and gives their findings in a fixed order.
Nothing is changed by it: no mail is sent, no conference made, no store made or migrated.

Not here: the probes (`listener`, `hop`, `service`, `sent_mail`, `storage`, `content`), printing (`cli`).

Errors: none; what goes wrong is a finding.
"""

from mailhook.doctor.examination import PATIENCE, examine
from mailhook.doctor.finding import Finding, Level

__all__ = ["PATIENCE", "Finding", "Level", "examine"]
