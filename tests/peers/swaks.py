"""swaks and openssl s_client: clients that others have written.

Not here: what is said to them.
"""

import shutil


def missing() -> str:
    """Why they cannot be used here, and what would help; "" if they can."""
    if shutil.which("swaks") is None or shutil.which("openssl") is None:
        return "needs swaks and openssl: apt-get install swaks libnet-ssleay-perl openssl"
    return ""
