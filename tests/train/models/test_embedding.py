"""The embedding that also tells the token."""

import torch

from rnn_train.models.embedding import CodedEmbedding


def test_coded_embedding_ends_with_the_code() -> None:
    embedding = CodedEmbedding(11, 4)
    found = embedding(torch.tensor([[0, 10]]))
    assert found.shape == (1, 2, 5)
    assert found[0, :, -1].tolist() == [1, 11]
    assert set(embedding.state_dict()) == {"vectors"}
