"""Graph-MFN: MFN with a dynamic fusion graph (Zadeh et al. 2018, ACL, P18-1208).

"Multimodal language analysis in the wild: CMU-MOSEI dataset and interpretable dynamic fusion
graph", section 4: the graph takes the place of MFN's delta-memory attention.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from pydantic import Field
from torch import Tensor, nn

from affect_pipe.fusion.config import MAX_WIDTH
from affect_pipe.fusion.models.backbone import Representation
from affect_pipe.fusion.models.inputs import any_present, in_order, masked_inputs
from affect_pipe.fusion.models.layers import SequenceDropout
from affect_pipe.fusion.models.lstm import LstmSystem, two_layers
from affect_pipe.fusion.models.mfn import GatedMemory, MfnSettings
from affect_pipe.pipeline.records import Modality

Vertex = tuple[Modality, ...]


class GraphMfnSettings(MfnSettings):
    """MFN's settings and the width of the graph's vertices."""

    vertex_width: int = Field(
        default=64, gt=0, le=MAX_WIDTH, description="Of the multimodal vertices and of T_t."
    )


class DynamicFusionGraph(nn.Module):
    """From one vertex a modality to the output vertex ``T``.

    There is a vertex for every subset of two or more modalities. Its network D takes the vertices
    of all proper subsets, each times the efficacy of its edge; T's takes every vertex, likewise
    weighted: 6 + 6 + 7 = 19 edges with three modalities. The efficacies are sigmoid outputs of a
    network over the unimodal vertices.
    """

    def __init__(
        self, modalities: Sequence[Modality], input_width: int, settings: GraphMfnSettings
    ) -> None:
        super().__init__()
        hidden, width = settings.network_width, settings.vertex_width
        self.modalities = tuple(modalities)
        self.vertices = subsets(self.modalities)
        widths = {v: input_width if len(v) == 1 else width for v in self.vertices}
        # Edges end to end in the order in which `forward` meets them; the output vertex is last.
        self.incoming = [
            [source for source in self.vertices if set(source) < set(vertex)]
            for vertex in self.vertices
        ] + [list(self.vertices)]
        self.networks = nn.ModuleDict(
            {
                "-".join(vertex): two_layers(
                    sum(widths[s] for s in sources), hidden, width, settings.dropout
                )
                for vertex, sources in zip(self.vertices, self.incoming, strict=False)
                if sources
            }
        )
        self.output = two_layers(sum(widths.values()), hidden, width, settings.dropout)
        n_edges = sum(len(sources) for sources in self.incoming)
        self.efficacies = two_layers(
            len(self.modalities) * input_width, hidden, n_edges, settings.dropout
        )

    def forward(self, singles: Mapping[Modality, Tensor]) -> Tensor:
        """Map each modality's ``[..., k]`` to ``T [..., vertex_width]``."""
        joined = torch.cat([singles[m] for m in self.modalities], dim=-1)
        efficacies = iter(torch.sigmoid(self.efficacies(joined)).unbind(-1))
        found: dict[Vertex, Tensor] = {(m,): singles[m] for m in self.modalities}
        weighted = joined
        for vertex, sources in zip([*self.vertices, None], self.incoming, strict=True):
            if not sources:
                continue
            weighted = torch.cat([found[s] * next(efficacies)[..., None] for s in sources], dim=-1)
            if vertex is not None:
                found[vertex] = self.networks["-".join(vertex)](weighted)
        output: Tensor = self.output(weighted)
        return output


def subsets(modalities: Sequence[Modality]) -> tuple[Vertex, ...]:
    """All non-empty subsets, single modalities first."""
    sizes = range(1, len(modalities) + 1)
    return tuple(vertex for size in sizes for vertex in combinations(modalities, size))


class GraphMfn(nn.Module):
    """``[h_t, u_t]`` of each utterance, as MFN has it, with the graph's ``T_t`` for ``c^_t``.

    The unimodal vertices are each LSTM's cells at t - 1 and t. Time steps, absent
    modalities and widths are as in `affect_pipe.fusion.models.mfn.Mfn`; the networks have one
    hidden ReLU layer. With one modality the graph is that vertex, its one edge, and T.

    Parameters
    ----------
    dims : mapping of modality to int
        The modalities it reads and the widths of their vectors.
    settings : GraphMfnSettings
    """

    Settings = GraphMfnSettings

    def __init__(self, dims: Mapping[Modality, int], settings: GraphMfnSettings) -> None:
        super().__init__()
        self.modalities = in_order(dims, "Graph-MFN")
        self.input_dropout = SequenceDropout(settings.input_dropout)
        self.lstms = LstmSystem({m: dims[m] for m in self.modalities}, settings.lstm_width)
        self.graph = DynamicFusionGraph(self.modalities, 2 * settings.lstm_width, settings)
        self.memory = GatedMemory(settings.vertex_width, settings)
        self.representation_width = (
            len(self.modalities) * settings.lstm_width + settings.memory_width
        )

    def forward(
        self, features: Mapping[Modality, Tensor], utterance_mask: Tensor, modality_mask: Tensor
    ) -> Representation:
        """See `affect_pipe.fusion.models.backbone.Backbone`."""
        inputs, present = masked_inputs(self.modalities, features, utterance_mask, modality_mask)
        dropped = {m: self.input_dropout(values) for m, values in inputs.items()}
        hidden, cells = self.lstms(dropped, present)
        judged = any_present(present)
        before = torch.nn.functional.pad(cells[:, :-1], (0, 0, 0, 0, 1, 0))
        both = torch.cat([before, cells], dim=-1)
        fused = self.graph(dict(zip(self.modalities, both.unbind(2), strict=True)))
        memory = self.memory(fused, judged)
        values = torch.cat([hidden.flatten(2), memory], dim=-1)
        return Representation(values * judged[..., None])
