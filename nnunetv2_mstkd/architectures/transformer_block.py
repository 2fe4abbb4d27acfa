"""One pre-norm transformer block that can show its attention (L1)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from nnunetv2_mstkd.architectures.transformer_size import TransformerSize


class TransformerBlock(nn.Module):
    """Multi-head self-attention and a two-layer perceptron, each after a LayerNorm and with a residual connection.

    Args:
        size: of the transformer that the block belongs to.
        dropout: probability, on what is added to the residual stream.

    Source: MST-KDNet (Section 2.2), after ViT. Differs in: no dropout on the attention weights, which would be random
    numbers in the maps that distillation compares.
    """

    def __init__(self, size: TransformerSize, dropout: float) -> None:
        super().__init__()
        self.heads = size.heads
        self.attention_norm = nn.LayerNorm(size.width)
        self.query_key_value = nn.Linear(size.width, 3 * size.width)
        self.attention_out = nn.Linear(size.width, size.width)
        self.feedforward_norm = nn.LayerNorm(size.width)
        self.feedforward_in = nn.Linear(size.width, size.feedforward)
        self.feedforward_out = nn.Linear(size.feedforward, size.width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, return_attention: bool = False) -> tuple[Tensor, Tensor | None]:
        """Transform tokens (B, N, width); also return the attention (B, heads, N, N), rows summing to 1, if asked."""
        attended, attention = self._attend(self.attention_norm(tokens), return_attention)
        tokens = tokens + self.dropout(self.attention_out(attended))
        hidden = functional.relu(self.feedforward_in(self.feedforward_norm(tokens)))
        return tokens + self.dropout(self.feedforward_out(hidden)), attention

    def _attend(self, tokens: Tensor, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        projected = self.query_key_value(tokens).unflatten(-1, (3, self.heads, -1))  # (B, N, 3, heads, width / heads)
        query, key, value = projected.permute(2, 0, 3, 1, 4).unbind(0)  # (B, heads, N, width / heads) each
        attention = None
        if return_attention:
            attention = torch.softmax((query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1), dim=-1)
            attended = attention.to(value.dtype) @ value
        else:
            attended = functional.scaled_dot_product_attention(query, key, value)
        return attended.transpose(1, 2).flatten(2), attention
