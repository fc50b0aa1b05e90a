"""What the judges of categories share: from images to probabilities, block by block."""

from __future__ import annotations

import numpy as np

from neuro.encoding.network import Network


class Categories:
    """What names categories from the features of a network: `_logits` is its own."""

    backbone: Network
    classes: list[str]

    def _logits(self, features):
        """Logits, (n, n_classes), of features where the backbone is."""
        raise NotImplementedError("a judge says how features become logits")

    def predict_proba(self, images, batch=256) -> np.ndarray:
        """Probability of each category.

        Parameters
        ----------
        images : array, shape (n, c, h, w)
            Values in [0, 1].
        batch : int
            Images per forward pass.

        Returns
        -------
        ndarray, shape (n, n_classes)
        """
        import torch

        probabilities = []
        with torch.no_grad():
            for start in range(0, len(images), batch):
                block = np.asarray(images[start : start + batch], np.float32)
                x = torch.as_tensor(block).to(self.backbone.device)
                logits = self._logits(self.backbone.features(x))
                probabilities.append(logits.softmax(dim=1).cpu().numpy())
        return np.concatenate(probabilities)
