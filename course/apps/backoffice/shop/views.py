"""The pages: a searchable list of orders, and one order whose quantity can be corrected."""

from django import forms
from django.core.paginator import Paginator
from django.db import Error
from django.db.models import Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from shop.models import Order

PER_PAGE = 20


class Correction(forms.ModelForm):
    quantity = forms.IntegerField(min_value=1, max_value=1000)

    class Meta:
        model = Order
        fields = ("quantity",)


def with_database(view):
    """A page that says so, with 503, where the database does not answer or lacks the table."""

    def guarded(request: HttpRequest, *args, **kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Error:
            return render(request, "shop/unavailable.html", status=503)

    return guarded


@require_safe
@with_database
def orders(request: HttpRequest) -> HttpResponse:
    """The newest orders first, 20 a page; `q` finds customers and items."""
    words = request.GET.get("q", "").strip()
    found = Order.objects.all()
    if words:
        found = found.filter(Q(customer__icontains=words) | Q(item__icontains=words))
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    pieces = found.aggregate(pieces=Sum("quantity"))["pieces"] or 0
    return render(request, "shop/orders.html", {"page": page, "words": words, "pieces": pieces})


@require_http_methods(["GET", "HEAD", "POST"])
@with_database
def order(request: HttpRequest, order_id: int) -> HttpResponse:
    """One order; POST corrects its quantity."""
    found = get_object_or_404(Order, pk=order_id)
    form = Correction(request.POST or None, instance=found)
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect("orders")
    status = 400 if form.errors else 200
    return render(request, "shop/order.html", {"order": found, "form": form}, status=status)
