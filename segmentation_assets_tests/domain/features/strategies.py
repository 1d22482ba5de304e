"""What orders may look like, edges included."""

from datetime import date, datetime, timedelta

from hypothesis import strategies as st

from segmentation_assets_tests.testing.lines import Line

AS_OF = date(2024, 3, 1)
MIDNIGHT = datetime(2024, 3, 1)

moments = st.one_of(
    st.datetimes(MIDNIGHT - timedelta(days=500), MIDNIGHT + timedelta(days=20)),
    st.sampled_from(
        [
            MIDNIGHT,
            MIDNIGHT - timedelta(microseconds=1),
            MIDNIGHT - timedelta(days=30),
            MIDNIGHT - timedelta(days=365),
            MIDNIGHT - timedelta(days=365, microseconds=1),
            datetime(2024, 2, 29, 12),
        ]
    ),
)
amounts = st.one_of(
    st.integers(0, 10**7).map(lambda cents: cents / 100), st.sampled_from([0.0, 0.01, 1e9, 123456789.99])
)


@st.composite
def order_lines(draw: st.DrawFn) -> Line:
    customer = draw(st.sampled_from(["a", "b", "ü-ß", "客户", "e'); --"]))
    sign = draw(st.sampled_from([1, 1, 1, -1]))
    return Line(
        customer_id=customer,
        order_id=f"{customer}-{draw(st.integers(1, 4))}",
        product_id=draw(st.sampled_from(["p1", "p2", "p3", "p4"])),
        ordered_at=draw(moments),
        quantity=draw(st.sampled_from([1.0, 2.0, 0.5] if sign > 0 else [-1.0, -2.0, -0.5, 0.0])),
        amount=sign * draw(amounts),
        category=draw(st.sampled_from([None, "x", "Y", "é"])),
        country=draw(st.sampled_from([None, "UK", "Åland", "France"])),
        channel=draw(st.sampled_from([None, "web", "app"])),
        discount=draw(st.sampled_from([0.0, 0.5, 12.34])) if sign > 0 else 0.0,
    )
