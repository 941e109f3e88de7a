"""Tiny encoders with random weights, saved as their libraries save them."""

from pathlib import Path

TEXT = [
    "I love this wonderful day", "it was awful, awfully late", "they don't know what to say",
    "Überraschung am Nachmittag", "well-known people say wonderful things about it",
]  # fmt: skip


def save_bert(folder: Path, n_layers: int = 4, limit: int = 24) -> Path:
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import AutoTokenizer, BertConfig, BertModel

    words = BertWordPieceTokenizer(lowercase=True)
    words.train_from_iterator(TEXT * 2, vocab_size=120, min_frequency=1, show_progress=False)
    folder.mkdir(parents=True, exist_ok=True)
    words.save_model(str(folder))
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=words.get_vocab_size(), hidden_size=16, num_hidden_layers=n_layers,
        num_attention_heads=2, intermediate_size=16, max_position_embeddings=limit,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    return folder


def save_roberta(folder: Path) -> Path:
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import AutoTokenizer, RobertaConfig, RobertaModel

    pieces = ByteLevelBPETokenizer()
    pieces.train_from_iterator(
        TEXT * 2, vocab_size=300, show_progress=False,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    pieces.save_model(str(folder))
    torch.manual_seed(2)
    config = RobertaConfig(
        vocab_size=pieces.get_vocab_size(), hidden_size=16, num_hidden_layers=4,
        num_attention_heads=2, intermediate_size=16, max_position_embeddings=26,
    )  # fmt: skip
    RobertaModel(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    return folder


def _save_unigram(folder: Path, special: dict[str, str]) -> int:
    """Save a SentencePiece-like tokeniser; return the size of its vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.Unigram())
    words.pre_tokenizer = pre_tokenizers.Metaspace()
    words.decoder = decoders.Metaspace()
    words.train_from_iterator(
        TEXT * 2,
        trainers.UnigramTrainer(
            vocab_size=90, special_tokens=list(special.values()), unk_token=special["unk_token"],
            show_progress=False,
        ),
    )  # fmt: skip
    first, last = special["cls_token"], special["sep_token"]
    words.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        special_tokens=[(token, words.token_to_id(token)) for token in (first, last)],
    )
    PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(folder)
    return words.get_vocab_size()


def save_deberta(folder: Path) -> Path:
    import torch
    from transformers import DebertaV2Config, DebertaV2Model

    special = {
        "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]",
    }  # fmt: skip
    size = _save_unigram(folder, special)
    torch.manual_seed(3)
    config = DebertaV2Config(
        vocab_size=size, hidden_size=16, num_hidden_layers=4, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=24, relative_attention=True,
        pos_att_type=["p2c", "c2p"], position_biased_input=False, type_vocab_size=0,
    )  # fmt: skip
    DebertaV2Model(config).save_pretrained(folder)
    return folder


def save_xlm_roberta(folder: Path) -> Path:
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    special = {
        "cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>",
    }  # fmt: skip
    size = _save_unigram(folder, special)
    torch.manual_seed(4)
    config = XLMRobertaConfig(
        vocab_size=size, hidden_size=16, num_hidden_layers=4, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=26, pad_token_id=1,
    )  # fmt: skip
    XLMRobertaModel(config).save_pretrained(folder)
    return folder


FAMILIES = {
    "bert": save_bert,
    "roberta": save_roberta,
    "deberta": save_deberta,
    "xlm-roberta": save_xlm_roberta,
}
