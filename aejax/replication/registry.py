"""Every claim by name, in the order of the ledger."""

from aejax.replication import digits, mnist_autoencoders, mnist_classifiers, tabular
from aejax.replication.claim import Claim

ALL_CLAIMS = (*tabular.CLAIMS, *digits.CLAIMS, *mnist_classifiers.CLAIMS, *mnist_autoencoders.CLAIMS)
CLAIMS: dict[str, Claim] = {claim.name: claim for claim in ALL_CLAIMS}
