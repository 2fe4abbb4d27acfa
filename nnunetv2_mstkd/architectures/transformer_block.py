"""One pre-norm transformer block that can show its attention (L1)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from nnunetv2_mstkd.architectures.transformer_size import TransformerSize


class TransformerBlock(nn.Module):
    """Multi-head self-attention and a two-layer perceptron, each after a LayerNorm and with a residual connection.

    Args:
        size: of the transformer that the block belongs to.
        dropout: probability, on what is added to the residual stream.
        activation: of the perceptron.

    Source: MST-KDNet (Section 2.2), after ViT. Differs in: no dropout on the attention weights, which would be random
    numbers in the maps that distillation compares.
    """

    def __init__(
        self, size: TransformerSize, dropout: float, activation: Callable[[Tensor], Tensor] = functional.relu
    ) -> None:
        super().__init__()
        self.activation = activation
        self.heads = size.heads
        self.attention_norm = nn.LayerNorm(size.width)
        self.query_key_value = nn.Linear(size.width, 3 * size.width)
        self.attention_out = nn.Linear(size.width, size.width)
        self.feedforward_norm = nn.LayerNorm(size.width)
        self.feedforward_in = nn.Linear(size.width, size.feedforward)
        self.feedforward_out = nn.Linear(size.feedforward, size.width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Tensor, return_attention: bool = False, attention_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Transform tokens.

        Args:
            tokens: (B, N, width).
            return_attention: return the attention, too.
            attention_mask: bool, broadcast to (B, heads, N, N), True where a token (row) attends to another (column);
                at least one in each row. None: everywhere.

        Returns:
            (tokens, attention): as given; (B, heads, N, N), rows summing to 1, or None.
        """
        attended, attention = self._attend(self.attention_norm(tokens), return_attention, attention_mask)
        tokens = tokens + self.dropout(self.attention_out(attended))
        hidden = self.activation(self.feedforward_in(self.feedforward_norm(tokens)))
        return tokens + self.dropout(self.feedforward_out(hidden)), attention

    def _attend(
        self, tokens: Tensor, return_attention: bool, attention_mask: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        projected = self.query_key_value(tokens).unflatten(-1, (3, self.heads, -1))  # (B, N, 3, heads, width / heads)
        query, key, value = projected.permute(2, 0, 3, 1, 4).unbind(0)  # (B, heads, N, width / heads) each
        attention = None
        if return_attention:
            scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
            if attention_mask is not None:
                scores = scores.masked_fill(~attention_mask, -torch.inf)
            attention = torch.softmax(scores, dim=-1)
            attended = attention.to(value.dtype) @ value
        else:
            attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=attention_mask)
        return attended.transpose(1, 2).flatten(2), attention
