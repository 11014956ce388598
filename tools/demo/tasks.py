"""The tasks of the evaluation: stable names, where each one's questions come from."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    kind: str  # of the scene (data.scenes.KINDS), "text" or "tools"
    items: tuple[str, ...] = ()  # names of the questions that count; empty: all
    style: str = "plain"  # plain, follow_up, think, tool_call, tool_result
    effort: str = ""
    unseen: bool = False  # voices, vendor and fonts that training never used
    mark: int | None = 95  # percent of exact answers that are wanted; None: no mark, shown all the same


TASKS = {
    "shapes_colour": Task("shapes", ("shapes_colour",)),
    "shapes_which": Task("shapes", ("shapes_which",)),
    "shapes_shape_at": Task("shapes", ("shapes_shape_at",)),
    "shapes_where": Task("shapes", ("shapes_where",)),
    "shapes_count": Task("shapes", ("shapes_count",)),
    "shapes_count_of": Task("shapes", ("shapes_count_of",)),
    "shapes_describe": Task("shapes", ("shapes_describe",), mark=None),
    "product_name": Task("product", ("product_name",)),
    "product_category": Task("product", ("product_category",)),
    "product_background": Task("product", ("product_background",)),
    "product_price": Task("product", ("product_price", "product_tag")),
    "product_tag_colour": Task("product", ("product_tag_colour",)),
    "product_describe": Task("product", ("product_describe",)),
    "product_json": Task("product", ("product_json",)),
    "product_unseen_name": Task("product", ("product_name",), unseen=True, mark=None),
    "product_unseen_price": Task("product", ("product_price", "product_tag"), unseen=True, mark=None),
    "speech_transcript": Task("speech", ("speech_transcript",)),
    "speech_product": Task("speech", ("speech_product",)),
    "speech_price": Task("speech", ("speech_price", "speech_cost")),
    "speech_unseen_transcript": Task("speech", ("speech_transcript",), unseen=True, mark=90),
    "speech_unseen_product": Task("speech", ("speech_product",), unseen=True, mark=90),
    "speech_unseen_price": Task("speech", ("speech_price", "speech_cost"), unseen=True, mark=90),
    "video_first": Task("sequence", ("video_first",)),
    "video_last": Task("sequence", ("video_last",)),
    "video_order": Task("sequence", ("video_order",)),
    "video_direction": Task("moving", ("video_direction",), mark=90),
    "video_moving": Task("moving", ("video_moving",), mark=None),
    "vv_tag": Task("voice_over", ("vv_tag",)),
    "vv_voice": Task("voice_over", ("vv_voice",)),
    "vv_transcript": Task("voice_over", ("vv_transcript",)),
    "vv_verdict_equal": Task("voice_over", ("vv_verdict_equal",), mark=90),
    "vv_verdict_unequal": Task("voice_over", ("vv_verdict_unequal",), mark=90),
    "vv_product_shown": Task("voice_over", ("vv_product_shown",)),
    "vv_product_spoken": Task("voice_over", ("vv_product_spoken",)),
    "text_greeting": Task("text", ("text_greeting",)),
    "text_capabilities": Task("text", ("text_capabilities",)),
    "text_category": Task("text", ("text_category",)),
    "text_compare": Task("text", ("text_compare",)),
    "followup_product": Task("product", style="follow_up"),
    "followup_shapes": Task("shapes", style="follow_up"),
    "think_minimal": Task("product", style="think", effort="minimal"),
    "think_medium": Task("product", style="think", effort="medium"),
    "think_high": Task("product", style="think", effort="high"),
    "think_speech": Task("speech", style="think", effort="medium"),
    "think_video": Task("voice_over", style="think", effort="medium"),
    "tool_call": Task("tools", style="tool_call"),
    "tool_result": Task("tools", style="tool_result"),
}
